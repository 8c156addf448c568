"""Output values: the CloudEvents that the output topics carry."""

from schemas.outputs.action import ActionData, ActionEvent, WithheldData, WithheldEvent
from schemas.outputs.audience import AudienceData, AudienceEvent
from schemas.outputs.content import ContentData, ContentEvent
from schemas.outputs.details import (
    CartLine,
    Details,
    EmailContacts,
    OpenTicket,
    Opinion,
    OrderDetails,
    Purchase,
    Reduced,
    Seen,
    SeenPage,
    VisitStep,
)
from schemas.outputs.event import CloudEvent
from schemas.outputs.example import ExampleData, ExampleEvent, WatermarkData, WatermarkEvent
from schemas.outputs.model import ModelData, ModelEvent
from schemas.outputs.receipt import ReceiptData, ReceiptEvent, Remains, Removal
from schemas.outputs.score import CustomerData, Reason, ScoreData, ScoreEvent

__all__ = [
    "ActionData",
    "ActionEvent",
    "AudienceData",
    "AudienceEvent",
    "CartLine",
    "CloudEvent",
    "ContentData",
    "ContentEvent",
    "CustomerData",
    "Details",
    "EmailContacts",
    "ExampleData",
    "ExampleEvent",
    "ModelData",
    "ModelEvent",
    "OpenTicket",
    "Opinion",
    "OrderDetails",
    "Purchase",
    "Reason",
    "ReceiptData",
    "ReceiptEvent",
    "Reduced",
    "Remains",
    "Removal",
    "ScoreData",
    "ScoreEvent",
    "Seen",
    "SeenPage",
    "VisitStep",
    "WatermarkData",
    "WatermarkEvent",
    "WithheldData",
    "WithheldEvent",
]
