"""Messages of 50 MiB, one behind the other: no role ever holds one."""
from posternd import wait_until
from rig import is_sanitized, peak_memory_mib

SIZE = 50 << 20
LIMIT_MIB = 64


def test_stream_of_large_messages(make_rig):
    rig = make_rig(config='limits = { message_size = "51M"; };',
                   load={'sessions': 2, 'small': f'{SIZE}-{SIZE}', 'large': 0})
    wait_until(lambda: len(rig.upstream.events()) >= 3, 'three arrive', 120)
    rig.check()
    memory = peak_memory_mib(rig)
    print(f'peak MiB: {memory}')
    if not is_sanitized():
        assert max(memory.values()) < LIMIT_MIB, memory
