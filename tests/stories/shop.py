"""What all customers of the stories' shop together did: a version of its knowledge that is in force throughout."""

from strategies.shop_known import Known, known_shop

__all__ = ["SHOP"]

SHOP = known_shop(
    1,
    0,
    {
        "mug": Known(5.0, ("cup", "lamp"), category="kitchen"),
        "cup": Known(3.0, ("mug",), category="kitchen"),
        "lamp": Known(3.0, ("mug", "bulb"), category="light"),
        "bulb": Known(1.0, ("lamp",), category="light"),
        "tea": Known(2.0, ("coffee",), category="drinks"),
        "coffee": Known(1.0, ("tea",), category="drinks"),
        "printer": Known(6.0, ("ink", "paper"), category="office"),
        "ink": Known(5.0, ("paper", "printer"), category="office"),
        "paper": Known(5.0, ("ink",), category="office"),
        "scanner": Known(0.5, ("paper",), category="office"),
        "sofa": Known(1.0, category="living", price=300.0, price_before=400.0),
        "chair": Known(1.0, category="living", price=90.0, price_before=80.0),
        "filter": Known(0.5, gap_days=30.0, category="drinks"),
    },
)
