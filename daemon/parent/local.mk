# daemon/parent: starts the roles, watches them, binds the ports
noinst_LIBRARIES += daemon/parent/libparent.a
daemon_parent_libparent_a_SOURCES = \
	daemon/parent/api.c \
	daemon/parent/backup.c \
	daemon/parent/backup.h \
	daemon/parent/bind.c \
	daemon/parent/bind.h \
	daemon/parent/ca.c \
	daemon/parent/ca.h \
	daemon/parent/certificate.c \
	daemon/parent/certificate.h \
	daemon/parent/child.c \
	daemon/parent/child.h \
	daemon/parent/dirs.c \
	daemon/parent/dirs.h \
	daemon/parent/family.c \
	daemon/parent/family.h \
	daemon/parent/family_drain.c \
	daemon/parent/family_private.h \
	daemon/parent/family_tell.c \
	daemon/parent/files.c \
	daemon/parent/files.h \
	daemon/parent/keyfile.c \
	daemon/parent/keypair.c \
	daemon/parent/keypair.h \
	daemon/parent/keyfile.h \
	daemon/parent/keys.c \
	daemon/parent/keys.h \
	daemon/parent/logpipe.c \
	daemon/parent/logpipe.h \
	daemon/parent/notify.c \
	daemon/parent/notify.h \
	daemon/parent/outside.c \
	daemon/parent/outside.h \
	daemon/parent/parent.c \
	daemon/parent/parent.h \
	daemon/parent/parent_state.h \
	daemon/parent/replies.c \
	daemon/parent/replies.h \
	daemon/parent/upkeep.c \
	daemon/parent/warnings.c \
	daemon/parent/warnings.h
