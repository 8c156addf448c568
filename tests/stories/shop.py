"""What all customers of the stories' shop together did: a version of its knowledge that is in force throughout."""

from strategies.shop_known import Known, known_shop

__all__ = ["SHOP"]

SHOP = known_shop(
    1,
    0,
    {
        "filter": Known(40.0, gap_days=30.0),
        "printer": Known(30.0, companions=("ink", "paper")),
        "ink": Known(25.0, companions=("paper", "printer")),
        "paper": Known(60.0, companions=("ink",)),
        "scanner": Known(2.0, companions=("paper",)),
    },
)
