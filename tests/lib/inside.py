"""inside - makes system calls from inside a running process, as code that took it over would.

The process is stopped with ptrace (by root, from outside) while it waits in a system call of its
own. Its program counter then stands behind that instruction, so setting it back makes the process
carry out any call with its own rights, root directory and filter; afterwards it goes on as if
nothing had been. x86-64 only.

    with Inside(pid) as inside:
        inside.call('openat', AT_FDCWD, b'/etc/passwd', 0)      # ≥ 0, -errno, or REFUSED
"""
import ctypes
import os
import pathlib
import platform
import re
import signal

CAP_SYS_PTRACE = 19
REFUSED = 'refused by the filter'
NUMBERS = {'read': 0, 'socket': 41, 'connect': 42, 'bind': 49, 'clone': 56, 'execve': 59,
           'kill': 62, 'ptrace': 101, 'setuid': 105, 'chroot': 161, 'openat': 257,
           'newfstatat': 262, 'process_vm_readv': 310}
PTRACE_PEEKDATA, PTRACE_POKEDATA, PTRACE_GETREGS, PTRACE_SETREGS = 2, 5, 12, 13
PTRACE_CONT, PTRACE_SINGLESTEP, PTRACE_ATTACH, PTRACE_DETACH = 7, 9, 16, 17
REGISTERS = ('r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp '
             'ss fs_base gs_base ds es fs gs').split()
RED_ZONE = 128
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


def is_possible():
    """Not for an ordinary user, and not for root in many a container."""
    status = pathlib.Path('/proc/self/status').read_text()
    capabilities = int(re.search(r'^CapEff:\s*(\w+)', status, re.MULTILINE)[1], 16)
    return platform.machine() == 'x86_64' and bool(capabilities >> CAP_SYS_PTRACE & 1)


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in REGISTERS]


def ptrace(request, pid, address=None, data=None):
    ctypes.set_errno(0)
    result = libc.ptrace(request, pid, address, data)
    if ctypes.get_errno():
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Inside:
    def __init__(self, pid):
        self.pid, self.signal = pid, 0

    def __enter__(self):
        ptrace(PTRACE_ATTACH, self.pid)
        os.waitpid(self.pid, 0)
        self.saved = Registers()
        ptrace(PTRACE_GETREGS, self.pid, None, ctypes.addressof(self.saved))
        return self

    def __exit__(self, *_):
        """An interrupted wait is begun again by the kernel, as it finds its registers untouched."""
        ptrace(PTRACE_SETREGS, self.pid, None, ctypes.addressof(self.saved))
        ptrace(PTRACE_DETACH, self.pid, None, self.signal)

    def poke(self, address, data):
        data += bytes(-len(data) % 8)
        for at in range(0, len(data), 8):
            ptrace(PTRACE_POKEDATA, self.pid, address + at, int.from_bytes(data[at:at + 8], 'little'))

    def peek(self, address, size):
        words = (ptrace(PTRACE_PEEKDATA, self.pid, address + at) for at in range(0, size, 8))
        return b''.join((word & (1 << 64) - 1).to_bytes(8, 'little') for word in words)[:size]

    def call(self, name, *arguments):
        """A refused call has no consequence."""
        ptrace(PTRACE_SETREGS, self.pid, None, ctypes.addressof(self.prepare(name, arguments)))
        result = self.step()
        if result == signal.SIGSYS:
            self.step()     # the trap of the first step waits behind it
            return REFUSED
        assert result == signal.SIGTRAP, result
        registers = Registers()
        ptrace(PTRACE_GETREGS, self.pid, None, ctypes.addressof(registers))
        return ctypes.c_longlong(registers.rax).value

    def call_and_meet_it(self, name, *arguments):
        """A refused call whose SIGSYS the process gets as it goes on, at the end of `with`."""
        self.saved = self.prepare(name, arguments)
        ptrace(PTRACE_SETREGS, self.pid, None, ctypes.addressof(self.saved))
        ptrace(PTRACE_CONT, self.pid)
        _, status = os.waitpid(self.pid, 0)
        assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGSYS, status
        self.signal = signal.SIGSYS

    def step(self):
        ptrace(PTRACE_SINGLESTEP, self.pid)
        _, status = os.waitpid(self.pid, 0)
        assert os.WIFSTOPPED(status), status
        return os.WSTOPSIG(status)

    def prepare(self, name, arguments):
        registers = Registers.from_buffer_copy(self.saved)
        free = self.saved.rsp - RED_ZONE - 4096
        values = []
        for argument in arguments:
            if isinstance(argument, bytes):
                self.poke(free, argument + b'\0')
                values.append(free)
                free += (len(argument) + 16) & ~7
            else:
                values.append(argument & (1 << 64) - 1)
        for register, value in zip(('rdi', 'rsi', 'rdx', 'r10', 'r8', 'r9'), values):
            setattr(registers, register, value)
        registers.rax = NUMBERS[name]
        registers.orig_rax = (1 << 64) - 1      # not in a call that could be begun again
        registers.rip = self.saved.rip - 2      # the `syscall` that it waits in
        assert self.peek(registers.rip, 2) == b'\x0f\x05', 'it is not in a system call'
        return registers
