"""Stand-ins for frameworks that are not installed where the shim is tested."""

import sys
import types


def put_modules(case, homes):
    """Have modules in sys.modules for a test, and no others gone after it.

    mock.patch.dict would forget what others import in the meantime.
    """
    before = {name: sys.modules.get(name) for name in homes}

    def restore():
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module

    case.addCleanup(restore)
    for name, names in homes.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(names)
