# daemon/config: the options table and the snapshot made from it
noinst_LIBRARIES += daemon/config/libconf.a
daemon_config_libconf_a_SOURCES = \
	daemon/config/config.h
