# daemon/control: the control role
noinst_LIBRARIES += daemon/control/libcontrol.a
daemon_control_libcontrol_a_SOURCES = \
	daemon/control/control.c \
	daemon/control/control.h
