"""Train the style net on images of both domains; save and load it."""

from collections.abc import Callable, Iterator
from math import isfinite
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from actupose.core.rng import generator
from actupose.core.style import channel_statistics, match_statistics
from actupose.data.dataset import DomainImages, ImageBatch, epoch_plan
from actupose.errors import UserError
from actupose.files import atomic_path
from actupose.nets.style_net import StyleNet, build_style_net, style_levels
from actupose.nets.weight_file import write_weights
from actupose.params import StyleNetParams
from actupose.tables import HISTORY, history_table, write_table

LOGGED_EVERY = 50


def train_style(
    source: DomainImages,
    target: DomainImages,
    settings: StyleNetParams,
    device: torch.device,
    on_step: Callable[[int], None],
) -> tuple[StyleNet, list[dict[str, float]]]:
    """Train the decoder, and the encoder where it is our own, in both directions by turns of a fair coin.

    The decoder learns to keep the content and to meet the style's statistics at every level (weights 1 and
    ``settings.style_weight``). An encoder of our own learns, with the decoder, to reproduce images.

    Returns:
        The net, and the mean loss terms of every 50 steps.

    Raises:
        UserError: a term was not finite.
    """
    net = build_style_net(settings).to(device)
    weights = [*net.decoder.parameters(), *(net.levels.parameters() if settings.encoder is None else [])]
    optimizer = torch.optim.Adam(weights, lr=settings.lr)
    history: list[dict[str, float]] = []
    part: list[dict[str, Tensor]] = []
    for step, (labelled, unlabelled) in enumerate(_batches(source, target, settings)):
        content, style = (batch.images.to(device) / 255 for batch in (labelled, unlabelled))
        if torch.rand((), generator=generator(settings.seed, "style direction", step)) < 0.5:
            content, style = style, content
        terms = style_terms(net, content, style)
        loss = terms["content"] + settings.style_weight * terms["style"]
        if settings.encoder is None:
            terms["reproduction"] = reproduction(net, torch.cat((content, style)))
            loss = loss + terms["reproduction"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        part.append({name: value.detach() for name, value in terms.items()})
        if len(part) == LOGGED_EVERY or step + 1 == settings.steps:
            history.append(_mean_terms(part))
            part = []
            if not all(map(isfinite, history[-1].values())):
                raise UserError(
                    f"the style net's loss is not finite at step {step}; lower style_net.lr = {settings.lr}"
                )
        on_step(step + 1)
    return net.eval(), history


def _batches(
    source: DomainImages, target: DomainImages, settings: StyleNetParams
) -> Iterator[tuple[ImageBatch, ImageBatch]]:
    size = (settings.steps, settings.batch_size)
    source_plan, target_plan = (
        epoch_plan(torch.arange(len(images)), size, settings.seed, f"style {name}", 0)
        for name, images in (("source", source), ("target", target))
    )
    return zip(source.batches(source_plan, 0), target.batches(target_plan, 0), strict=True)


def style_terms(net: StyleNet, content: Tensor, style: Tensor) -> dict[str, Tensor]:
    """Content and style loss of restyled images (eq. 12-13); neither moves the encoder.

    The encoder judges: could it move, it would learn to see no difference.
    """
    net.levels.requires_grad_(False)
    with torch.no_grad():
        wanted = net.encode(style)
        code = match_statistics(net.encode(content)[-1], wanted[-1], 1.0)
    found = net.encode(net.decoder(code))
    differences = [
        F.mse_loss(one, other)
        for level, target in zip(found, wanted, strict=True)
        for one, other in zip(channel_statistics(level), channel_statistics(target), strict=True)
    ]
    return {"content": F.mse_loss(found[-1], code), "style": torch.stack(differences).sum()}


def reproduction(net: StyleNet, images: Tensor) -> Tensor:
    """Mean squared error of images encoded and decoded; it moves both."""
    net.levels.requires_grad_(True)
    return F.mse_loss(net.decoder(net.encode(images)[-1]), images)


def _mean_terms(part: list[dict[str, Tensor]]) -> dict[str, float]:
    return {name: float(torch.stack([terms[name] for terms in part]).mean()) for name in part[0]}


def save_style(
    folder: Path, net: StyleNet, settings: StyleNetParams, history: list[dict[str, float]]
) -> None:
    """Write weights, config and training history (an epoch is 50 steps)."""
    write_weights(folder / "style.safetensors", net)
    with atomic_path(folder / "style.json") as path:
        path.write_text(settings.model_dump_json(indent=2) + "\n")
    write_table(folder / "history.parquet", history_table(history), HISTORY)


def load_style(folder: Path) -> StyleNet:
    """Read what :func:`save_style` wrote.

    Raises:
        UserError: a file is missing, damaged, or does not fit the other.
    """
    try:
        settings = StyleNetParams.model_validate_json((folder / "style.json").read_text())
        net = StyleNet(style_levels(settings))
        net.load_state_dict(load((folder / "style.safetensors").read_bytes()))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; run the train_style stage (dvc repro)") from None
    except (ValueError, SafetensorError, RuntimeError) as error:
        raise UserError(f"{folder}: not a usable style net: {str(error).splitlines()[0]}") from None
    return net.eval().requires_grad_(False)
