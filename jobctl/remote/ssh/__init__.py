"""SSH: the only room that knows paramiko and fabric. Importing this package imports neither; connecting does.

settings.py   what the inventory says              command.py   argv -> the line for the login shell (pure)
config.py     an alias -> its hops (pure)          lookup.py    what `ssh -G` says of an alias
hostkeys.py   known_hosts and its verdicts (pure)  trust.py     the files read, the refusals
keys.py       identity files and the agent         auth.py      who we are: keys, passwords
dial.py       sockets that notice a dead peer      session.py   paramiko's Transport, repaired
connect.py    the chain of hops                    failures.py  what went wrong, in words
doors.py      how many knock at one server
stream.py     one running program                  transport.py the Transport of `jobctl.remote.transport`
openssh.py    the system's ssh, for bytes in bulk  openssh_files.py what it is told (pure)
"""

from jobctl.remote.ssh.make import make_ssh_transport
from jobctl.remote.ssh.settings import Prompts, SshSettings, Tuning
from jobctl.remote.ssh.terminal import find_terminal

__all__ = ["Prompts", "SshSettings", "Tuning", "find_terminal", "make_ssh_transport"]
