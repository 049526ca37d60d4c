# daemon/control: the control role
noinst_LIBRARIES += daemon/control/libcontrol.a
daemon_control_libcontrol_a_SOURCES = \
	daemon/control/api.c \
	daemon/control/api.h \
	daemon/control/check.c \
	daemon/control/check.h \
	daemon/control/compose.c \
	daemon/control/compose.h \
	daemon/control/control.c \
	daemon/control/control.h \
	daemon/control/http.c \
	daemon/control/http.h \
	daemon/control/routes.c \
	daemon/control/routes.h
