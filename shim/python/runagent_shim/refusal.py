"""What an input is refused with before user code runs."""


class BindError(ValueError):
    """An input does not bind; field is the JSON pointer of what is wrong, or ''."""

    def __init__(self, message, field=""):
        super().__init__(message)
        self.message = message
        self.field = field
