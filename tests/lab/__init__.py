"""The lab: a real systemd, real engines, real faults. See README.md beside this file."""

import os

# A root shell from `su` without a dash finds neither debootstrap nor losetup.
os.environ["PATH"] = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
