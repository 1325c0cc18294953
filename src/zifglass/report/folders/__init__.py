"""Pages of folders: what zifglass left, recognised and told. See README.md in this folder."""

from .account import Account
from .collection import StageWord
from .dispatch import account_of, folder_page
from .recognise import kind_of

__all__ = ["Account", "StageWord", "account_of", "folder_page", "kind_of"]
