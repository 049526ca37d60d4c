# daemon/config: the options table and the snapshot made from it
noinst_LIBRARIES += daemon/config/libconf.a
daemon_config_libconf_a_SOURCES = \
	daemon/config/allowed.c \
	daemon/config/config.c \
	daemon/config/config.h \
	daemon/config/file.c \
	daemon/config/load.c \
	daemon/config/load.h \
	daemon/config/namedfile.c \
	daemon/config/namedfile.h \
	daemon/config/provider_host.c \
	daemon/config/providers.c \
	daemon/config/providers.h \
	daemon/config/sense.c \
	daemon/config/sense.h \
	daemon/config/table.c \
	daemon/config/table.h \
	daemon/config/units.c \
	daemon/config/units.h \
	daemon/config/value.c

# The rules for replies as they are shipped, so that posternd never runs without any.
daemon_config_libconf_a_SOURCES += \
	daemon/config/reply_class.c \
	daemon/config/reply_class.h \
	daemon/config/reply_pattern.c \
	daemon/config/reply_rules.c \
	daemon/config/reply_rules.h \
	daemon/config/reply_rules_private.h \
	daemon/config/reply_time.c \
	daemon/config/replyfile.c
nodist_daemon_config_libconf_a_SOURCES = daemon/config/replies_builtin.c
CLEANFILES += daemon/config/replies_builtin.c
daemon/config/replies_builtin.c: conf/replies.conf
	$(AM_V_GEN)$(MKDIR_P) daemon/config && { \
		echo '/* Made from conf/replies.conf. */'; \
		echo '#include "daemon/config/reply_rules.h"'; \
		echo 'const char reply_rules_builtin[] ='; \
		sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $(srcdir)/conf/replies.conf; \
		echo ';'; } >$@.tmp && mv $@.tmp $@
