"""What to train and how: the short configuration of ours that becomes nequip's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from zifglass.core.settings import Settings


class NequipModel(Settings):
    """A NequIP network, built by nequip's full model so that any irreps can be given."""

    kind: Literal["nequip"] = "nequip"
    cutoff: float = Field(default=6.0, gt=0, description="radial cutoff, Å")
    layers: int = Field(default=5, ge=1, description="interaction layers")
    features: tuple[int, ...] = Field(
        default=(32, 32, 32), description="channels of l = 0, 1, 2 …; their number sets l_max"
    )
    parity: Literal["so3", "o3_restricted", "o3_full"] = Field(
        default="so3",
        description="so3: all irreps even, as 'parity: false' meant in nequip 0.5; o3_restricted: "
        "the natural parity (−1)^l; o3_full: both",
    )
    bessels: int = Field(default=8, ge=1, description="Bessel functions of the distance")
    bessels_trainable: bool = Field(default=True, description="train the Bessel frequencies")
    cutoff_power: int = Field(default=5, ge=2, description="p of the polynomial cutoff")
    radial_depth: int = Field(default=2, ge=1, description="hidden layers of the radial networks")
    radial_width: int = Field(default=64, ge=1, description="neurons of a radial hidden layer")


class AllegroModel(Settings):
    """An Allegro network (nequip-allegro)."""

    kind: Literal["allegro"] = "allegro"
    cutoff: float = Field(default=6.0, gt=0, description="radial cutoff, Å")
    layers: int = Field(
        default=2, ge=1, le=4, description="Allegro layers; the paper tried 1, 2, 3"
    )
    l_max: int = Field(default=2, ge=0, le=3, description="highest rotation order")
    parity: Literal["so3", "o3_restricted", "o3_full"] = Field(
        default="o3_full", description="as in the paper: o3_full is 2 % slower than o3_restricted"
    )
    scalar_features: int = Field(default=64, ge=1, description="channels of scalars")
    tensor_features: int = Field(default=32, ge=1, description="channels of tensors")
    bessels: int = Field(default=8, ge=1, description="Bessel functions of the distance")
    cutoff_power: int = Field(default=6, ge=2, description="p of the polynomial cutoff")
    mlp_depth: int = Field(default=1, ge=1, description="hidden layers of every scalar network")
    mlp_width: int = Field(default=64, ge=1, description="neurons of a hidden layer")


class LossWeights(Settings):
    """λ of the loss: mean squared errors of forces, energy per atom and stress.

    nequip divides the weights by their sum, so that only their ratios matter.
    """

    forces: float = Field(default=1.0, ge=0, description="λ_F, of forces in eV/Å")
    energy: float = Field(default=1.0, ge=0, description="λ_E, of the energy per atom in eV")
    stress: float = Field(
        default=0.0, ge=0, description="λ_σ, of the stress in eV/Å³; 0, 1, 100 in the SI"
    )

    @model_validator(mode="after")
    def _something(self) -> LossWeights:
        if self.forces + self.energy + self.stress == 0:
            raise ValueError("all loss weights are zero: nothing would be learned")
        return self


class TrainingSettings(Settings):
    """Everything `zifglass train` needs besides the data."""

    model: NequipModel | AllegroModel = Field(
        default_factory=NequipModel, discriminator="kind", description="the network"
    )
    loss: LossWeights = Field(default_factory=LossWeights, description="the loss weights")
    optimizer: Literal["adam", "soap"] = Field(
        default="adam",
        description="adam: with amsgrad, as published; soap: Adam in the eigenbases of its "
        "gradients' second moments (DOI 10.48550/arXiv.2409.11321), about twice the progress per "
        "step at rates near 0.01",
    )
    learning_rate: float = Field(default=0.005, gt=0, description="of the optimizer, at the start")
    learning_rate_stop: float = Field(
        default=1e-6, ge=0, description="training ends below this rate"
    )
    decay: Literal["plateau", "cosine"] = Field(
        default="plateau",
        description="of the rate: halved when validation stops improving, or a half cosine over "
        "all `epochs` down to learning_rate_stop (better where time is short)",
    )
    decay_patience: int = Field(
        default=50, ge=1, description="plateau: epochs without improvement before halving"
    )
    patience: int = Field(
        default=50, ge=1, description="epochs without improvement before training ends"
    )
    batch: int = Field(default=1, ge=1, description="frames per optimiser step")
    epochs: int = Field(default=1000, ge=1, description="at most")
    hours: float | None = Field(
        default=None, gt=0, description="wall time at most; the best so far is kept"
    )
    averaging: float = Field(
        default=0.99, gt=0, lt=1, description="decay of the weights' moving average"
    )
    precision: Literal["float32", "float64"] = Field(
        default="float32", description="of the network"
    )
    execution: Literal["eager", "compiled", "native"] = Field(
        default="eager",
        description="eager, compiled: nequip's; compiled by torch.compile is two to three times "
        "faster on a CPU after some minutes of compilation and needs a batch of at least 2. "
        "native: by kernels of our own on CPUs, several times faster than compiled; NequIP "
        "networks up to l = 2 with channels in multiples of 16, decay: cosine; the frames of a "
        "batch are shared out over the cores",
    )
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where to train")
    seed: int = Field(default=0, ge=0, description="of weights and of the order of the frames")

    @model_validator(mode="after")
    def _can_be_executed(self) -> TrainingSettings:
        if self.execution == "compiled" and self.batch < 2:
            raise ValueError("execution: compiled needs batch: 2 or more (nequip runs 1 eagerly)")
        if self.execution == "native":
            if not isinstance(self.model, NequipModel) or self.model.bessels_trainable:
                raise ValueError(
                    "execution: native trains NequIP networks with bessels_trainable: false"
                )
            if (self.decay, self.device, self.precision) != ("cosine", "cpu", "float32"):
                raise ValueError(
                    "execution: native needs decay: cosine, device: cpu, precision: float32"
                )
        return self

    @property
    def learns_stress(self) -> bool:
        """Whether stress labels are needed."""
        return self.loss.stress > 0
