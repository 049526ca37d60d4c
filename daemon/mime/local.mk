# daemon/mime: the mime role
noinst_LIBRARIES += daemon/mime/libmime.a
daemon_mime_libmime_a_SOURCES = \
	daemon/mime/addition.c \
	daemon/mime/addition.h \
	daemon/mime/bounds.c \
	daemon/mime/bounds.h \
	daemon/mime/charset.c \
	daemon/mime/charset.h \
	daemon/mime/edits.c \
	daemon/mime/edits.h \
	daemon/mime/encoding.c \
	daemon/mime/encoding.h \
	daemon/mime/job.c \
	daemon/mime/job.h \
	daemon/mime/mime.c \
	daemon/mime/mime.h \
	daemon/mime/part.c \
	daemon/mime/part.h \
	daemon/mime/rework.c \
	daemon/mime/rework.h \
	daemon/mime/sender.c \
	daemon/mime/sender.h \
	daemon/mime/seven.c \
	daemon/mime/seven.h \
	daemon/mime/signature.c \
	daemon/mime/signature.h \
	daemon/mime/tree.c \
	daemon/mime/tree.h
daemon_mime_libmime_a_CFLAGS = $(AM_CFLAGS) $(GMIME_CFLAGS)
