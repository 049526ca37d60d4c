# daemon/smtpd: the smtpd role
noinst_LIBRARIES += daemon/smtpd/libsmtpd.a
daemon_smtpd_libsmtpd_a_SOURCES = \
	daemon/smtpd/addresses.c \
	daemon/smtpd/addresses.h \
	daemon/smtpd/admission.c \
	daemon/smtpd/auth.c \
	daemon/smtpd/authorize.c \
	daemon/smtpd/authorize.h \
	daemon/smtpd/bdat.c \
	daemon/smtpd/client.c \
	daemon/smtpd/client.h \
	daemon/smtpd/client_private.h \
	daemon/smtpd/client_roles.c \
	daemon/smtpd/commands.c \
	daemon/smtpd/data.c \
	daemon/smtpd/data.h \
	daemon/smtpd/encoded_word.c \
	daemon/smtpd/encoded_word.h \
	daemon/smtpd/grants.c \
	daemon/smtpd/grants.h \
	daemon/smtpd/header.c \
	daemon/smtpd/header.h \
	daemon/smtpd/handoff.c \
	daemon/smtpd/handoff.h \
	daemon/smtpd/listener.c \
	daemon/smtpd/listener.h \
	daemon/smtpd/mail.c \
	daemon/smtpd/pace.c \
	daemon/smtpd/opening.c \
	daemon/smtpd/policy.c \
	daemon/smtpd/policy.h \
	daemon/smtpd/priority.c \
	daemon/smtpd/priority.h \
	daemon/smtpd/receive.c \
	daemon/smtpd/refusal.c \
	daemon/smtpd/session.c \
	daemon/smtpd/session.h \
	daemon/smtpd/session_private.h \
	daemon/smtpd/smtpd.c \
	daemon/smtpd/smtpd.h \
	daemon/smtpd/trace.c \
	daemon/smtpd/trace.h \
	daemon/smtpd/transaction.c \
	daemon/smtpd/user_limits.c \
	daemon/smtpd/user_limits.h
