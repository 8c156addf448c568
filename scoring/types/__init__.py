"""Types: what kind of customer someone is, how far along, and what they are worth."""

from scoring.types.buyer import TYPES, buyer_type
from scoring.types.facts import Facts, Terms
from scoring.types.retention import Retention, retention
from scoring.types.rfm import RFM_GROUPS, RfmCuts, rfm_cuts, rfm_group, rfm_scores
from scoring.types.shop_table import ShopTable, shop_table, unknown_shop
from scoring.types.stage import STAGES, stage
from scoring.types.value import expected_next_days, order_worth, predicted_orders, predicted_value
from scoring.types.who import One, Who, who

__all__ = [
    "RFM_GROUPS",
    "STAGES",
    "TYPES",
    "Facts",
    "One",
    "Retention",
    "RfmCuts",
    "ShopTable",
    "Terms",
    "Who",
    "buyer_type",
    "expected_next_days",
    "order_worth",
    "predicted_orders",
    "predicted_value",
    "retention",
    "rfm_cuts",
    "rfm_group",
    "rfm_scores",
    "shop_table",
    "stage",
    "unknown_shop",
    "who",
]
