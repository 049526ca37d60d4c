# daemon/smtpd: the smtpd role
noinst_LIBRARIES += daemon/smtpd/libsmtpd.a
daemon_smtpd_libsmtpd_a_SOURCES = \
	daemon/smtpd/smtpd.c \
	daemon/smtpd/smtpd.h
