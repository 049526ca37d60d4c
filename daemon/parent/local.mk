# daemon/parent: starts the roles, watches them, binds the ports
noinst_LIBRARIES += daemon/parent/libparent.a
daemon_parent_libparent_a_SOURCES = \
	daemon/parent/bind.c \
	daemon/parent/bind.h
