# common: no mail knowledge, no daemon; bytes in, values out
noinst_LIBRARIES += common/libcommon.a
common_libcommon_a_SOURCES = \
	common/base64.c \
	common/base64.h \
	common/buf.c \
	common/buf.h \
	common/cap.c \
	common/cap.h \
	common/chunk.c \
	common/chunk.h \
	common/clock.c \
	common/clock.h \
	common/domain.c \
	common/domain.h \
	common/enhanced.c \
	common/enhanced.h \
	common/err.c \
	common/err.h \
	common/ident.c \
	common/ident.h \
	common/list.h \
	common/log.c \
	common/log.h \
	common/log_events.h \
	common/mailaddr.c \
	common/mailaddr.h \
	common/netaddr.c \
	common/netaddr.h \
	common/octet.h \
	common/percent.c \
	common/percent.h \
	common/sender_rules.c \
	common/sender_rules.h \
	common/smtp_line.c \
	common/smtp_line.h \
	common/smtp_parameters.c \
	common/smtp_parameters.h \
	common/smtp_reply.c \
	common/smtp_reply.h \
	common/smtp_verb.c \
	common/smtp_verb.h \
	common/utf8.c \
	common/utf8.h \
	common/xalloc.c \
	common/xalloc.h \
	common/xtext.c \
	common/xtext.h
