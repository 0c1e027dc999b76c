"""The one exception that is shown to a user as a sentence instead of a traceback."""


class UserError(Exception):
    """A mistake that the user can mend.

    The message is one sentence that names the file, parameter or record and says what to do.
    The command line and the flows print it and exit with status 1, without a traceback.
    """
