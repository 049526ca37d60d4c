# daemon/config: the options table and the snapshot made from it
noinst_LIBRARIES += daemon/config/libconf.a
daemon_config_libconf_a_SOURCES = \
	daemon/config/allowed.c \
	daemon/config/config.c \
	daemon/config/config.h \
	daemon/config/file.c \
	daemon/config/load.c \
	daemon/config/load.h \
	daemon/config/providers.c \
	daemon/config/providers.h \
	daemon/config/sense.c \
	daemon/config/sense.h \
	daemon/config/table.c \
	daemon/config/table.h \
	daemon/config/units.c \
	daemon/config/units.h \
	daemon/config/value.c
