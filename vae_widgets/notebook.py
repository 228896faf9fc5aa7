"""What the notebooks take from the book's tool chain, for where that is not installed, as on Colab."""

try:
    from myst_nb import glue
except ImportError:

    def glue(name: str, variable: object, display: bool = True) -> None:
        """Keep nothing: the pages alone have a use for the numbers that cells hand to the text."""


__all__ = ["glue"]
