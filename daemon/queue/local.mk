# daemon/queue: the queue role
noinst_LIBRARIES += daemon/queue/libqueue.a
daemon_queue_libqueue_a_SOURCES = \
	daemon/queue/queue.c \
	daemon/queue/queue.h
