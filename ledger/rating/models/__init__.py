"""The price models, in one place. A new model is one module with its class, and one line in ``MODELS``."""

from __future__ import annotations

from functools import cache, reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ledger.rating.model import Model
from ledger.rating.models.attribute import Attribute
from ledger.rating.models.burstable import Burstable
from ledger.rating.models.cost_plus import CostPlus
from ledger.rating.models.dynamic import Dynamic
from ledger.rating.models.flat import Flat
from ledger.rating.models.graduated import Graduated
from ledger.rating.models.graduated_percentage import GraduatedPercentage
from ledger.rating.models.matrix import Matrix
from ledger.rating.models.package import Package
from ledger.rating.models.per_unit import PerUnit
from ledger.rating.models.percentage import Percentage
from ledger.rating.models.stairstep import Stairstep
from ledger.rating.models.volume import Volume

MODELS: tuple[type[Model], ...] = (
    Flat,
    PerUnit,
    Graduated,
    Volume,
    Stairstep,
    Package,
    Percentage,
    GraduatedPercentage,
    Matrix,
    Dynamic,
    Attribute,
    Burstable,
    CostPlus,
)

if TYPE_CHECKING:
    AnyModel = Model
else:
    #: A field of a document that holds any of the models, told apart by ``model``.
    AnyModel = Annotated[reduce(or_, MODELS), Field(discriminator="model")]


def name_of(model: Model | type[Model]) -> str:
    """What a document calls the model."""
    return _name(model if isinstance(model, type) else type(model))


@cache
def _name(kind: type[Model]) -> str:
    literal: Any = kind.model_fields["model"].annotation
    return str(literal.__args__[0])
