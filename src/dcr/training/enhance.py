"""The main job: both stages of a method, then the enhanced encoder as a folder that others load."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast_object_list
from safetensors.torch import load_file

from dcr.conditioning import Projector
from dcr.config import RunConfig, Stage
from dcr.data.loader import ViewBatch, view_batches
from dcr.data.sources import open_source
from dcr.encoders import Encoder, load_encoder
from dcr.errors import DcrError
from dcr.export.hugging_face import export_encoder
from dcr.export.model_card import model_card
from dcr.files import write_tensors
from dcr.generators import StableDiffusion
from dcr.objectives import Objective, build_objective
from dcr.presets import model_folder
from dcr.seeds import derive_seed
from dcr.training.condition_model import ConditionModel
from dcr.training.loop import StageLoop
from dcr.training.rows import choose_rows
from dcr.training.run_folder import RunFolder
from dcr.training.stopping import StopRequest

CPU_ACTIVATION_BUDGET = 512 * 2**20
GPU_ACTIVATION_SHARE = 0.5


def enhance(config: RunConfig, *, resume: bool = False) -> RunFolder:
    """Enhances an encoder.

    Args:
        config: Everything that decides the outcome.
        resume: Go on with the run in ``config.output``.

    Returns:
        The run's folder, with ``encoder/``, ``adapter/`` and ``projector.safetensors`` in it.

    Raises:
        DcrError: If an input is bad, a loss is not finite, or the disk is full.
        Stopped: If SIGINT or SIGTERM came; the state is saved.
    """
    bf16 = _use_bf16(config)
    encoder = load_encoder(model_folder(config.encoder))
    dtype = torch.bfloat16 if bf16 else torch.float32
    teacher = StableDiffusion.from_pretrained(model_folder(config.generator), dtype=dtype)
    _check_fit(encoder, teacher, config)
    open_source(config.data, image_size=encoder.image_size)
    run = _claim(config, resume)
    if run.encoder.exists():
        return run
    accelerator = Accelerator(
        mixed_precision="bf16" if bf16 else "no", log_with="tensorboard", project_dir=str(run.root)
    )
    accelerator.init_trackers("tensorboard")
    torch.manual_seed(derive_seed(config.seed, "projector"))
    model = ConditionModel(encoder, Projector(encoder.width, teacher.condition_width)).to(accelerator.device)
    teacher.to(accelerator.device)
    with StopRequest() as stop:
        stage_loop = partial(
            _stage_loop,
            config=config,
            model=model,
            teacher=teacher,
            accelerator=accelerator,
            run=run,
            stop=stop,
        )
        if not run.projector.exists():
            model.train_only("projector")
            stage_loop("stage1", config.stage1).train()
            _save_projector(model.projector, run, accelerator)
        model.projector.load_state_dict(load_file(run.projector))
        torch.manual_seed(derive_seed(config.seed, "lora"))
        encoder.add_lora(**config.lora.model_dump())
        encoder.to(accelerator.device)
        model.train_only("encoder")
        stage_loop("stage2", config.stage2).train()
    if accelerator.is_main_process:
        _export(encoder, config, run)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return run


def _use_bf16(config: RunConfig) -> bool:
    supported = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return config.precision == "bf16" or (config.precision == "auto" and supported)


def _claim(config: RunConfig, resume: bool) -> RunFolder:
    """The first process claims the folder and tells the others which one."""
    root = [str(RunFolder.claim(config, resume=resume).root) if PartialState().is_main_process else ""]
    broadcast_object_list(root)
    return RunFolder(Path(root[0]))


def _check_fit(encoder: Encoder, teacher: StableDiffusion, config: RunConfig) -> None:
    if encoder.image_size % teacher.latent_scale:
        raise DcrError(
            f"The encoder's images of {encoder.image_size} px do not divide by the {teacher.latent_scale} px "
            f"per latent of {config.generator}: take another generator."
        )


def _stage_loop(
    name: str,
    stage: Stage,
    *,
    config: RunConfig,
    model: ConditionModel,
    teacher: StableDiffusion,
    accelerator: Accelerator,
    run: RunFolder,
    stop: StopRequest,
) -> StageLoop:
    options = {"temperature": config.temperature} if stage.objective == "dcr" else {}
    objective = build_objective(stage.objective, **options)

    def batches(skip: int) -> Iterator[ViewBatch]:
        return view_batches(
            config.data,
            image_size=model.encoder.image_size,
            batch_size=config.batch_size,
            seed=derive_seed(config.seed, name, "data"),
            workers=config.workers,
            skip=skip,
            rank=accelerator.process_index,
            world_size=accelerator.num_processes,
        )

    return StageLoop(
        name=name,
        model=model,
        objective=objective,
        teacher=teacher,
        batches=batches,
        steps=stage.steps,
        learning_rate=stage.learning_rate,
        accumulation=config.accumulation,
        rows=config.rows or _fitting_rows(teacher, objective, config.batch_size, model.encoder.image_size),
        seed=config.seed,
        checkpoint_every=config.checkpoint_every,
        run=run,
        accelerator=accelerator,
        stop=stop,
    )


def _fitting_rows(teacher: StableDiffusion, objective: Objective, batch_size: int, image_size: int) -> int:
    """On a CPU the budget is a constant, so that the same command gives the same bits on every machine."""
    side = image_size // teacher.latent_scale
    per_sample = teacher.activation_bytes((teacher.unet.config.in_channels, side, side))
    budget = CPU_ACTIVATION_BUDGET
    if torch.cuda.is_available():
        budget = int(torch.cuda.mem_get_info()[0] * GPU_ACTIVATION_SHARE)
    return choose_rows(per_sample, len(objective.conditions(0, batch_size)), batch_size, budget)


def _save_projector(projector: Projector, run: RunFolder, accelerator: Accelerator) -> None:
    if accelerator.is_main_process:
        write_tensors(run.projector, projector.state_dict())
    accelerator.wait_for_everyone()


def _export(encoder: Encoder, config: RunConfig, run: RunFolder) -> None:
    encoder.save_adapter(run.adapter)
    encoder.merge_lora()
    card = model_card(
        name="encoder",
        model_type=encoder.model.config.model_type,
        source=config.encoder,
        method=config.method,
        settings=config.model_dump(mode="json", exclude={"output"}),
        results=[],
    )
    export_encoder(encoder.to("cpu"), run.encoder, card=card)
