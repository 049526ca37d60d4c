# daemon/queue: the queue role
noinst_LIBRARIES += daemon/queue/libqueue.a
daemon_queue_libqueue_a_SOURCES = \
	daemon/queue/bodyfile.c \
	daemon/queue/bodyfile.h \
	daemon/queue/idmap.c \
	daemon/queue/idmap.h \
	daemon/queue/ids.c \
	daemon/queue/ids.h \
	daemon/queue/intake.c \
	daemon/queue/intake.h \
	daemon/queue/mail.c \
	daemon/queue/mail.h \
	daemon/queue/queue.c \
	daemon/queue/queue.h \
	daemon/queue/schema.c \
	daemon/queue/schema.h \
	daemon/queue/storage.c \
	daemon/queue/storage.h \
	daemon/queue/store.h \
	daemon/queue/store_sqlite.c \
	daemon/queue/store_sqlite.h \
	daemon/queue/store_sqlite_read.c \
	daemon/queue/store_sqlite_scan.c \
	daemon/queue/store_sqlite_write.c \
	daemon/queue/worker.c \
	daemon/queue/worker.h
