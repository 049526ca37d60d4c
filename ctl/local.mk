# posternctl: a file for each noun
noinst_LIBRARIES += ctl/libctl.a
ctl_libctl_a_SOURCES = \
	ctl/alert.c \
	ctl/args.c \
	ctl/args.h \
	ctl/client.c \
	ctl/client.h \
	ctl/copies.c \
	ctl/copies.h \
	ctl/daemon.c \
	ctl/explain.c \
	ctl/export.c \
	ctl/help.c \
	ctl/help.h \
	ctl/history.c \
	ctl/invocation.c \
	ctl/invocation.h \
	ctl/list.c \
	ctl/nouns.h \
	ctl/origin.c \
	ctl/profile.c \
	ctl/profile_login.c \
	ctl/profile_login.h \
	ctl/provider.c \
	ctl/queue.c \
	ctl/readable.c \
	ctl/readable.h \
	ctl/retry.c \
	ctl/retry.h \
	ctl/story.c \
	ctl/story.h \
	ctl/table.c \
	ctl/table.h \
	ctl/tls.c \
	ctl/user.c \
	ctl/value.c \
	ctl/value.h

bin_PROGRAMS += posternctl
posternctl_SOURCES = ctl/main.c
posternctl_LDADD = ctl/libctl.a common/libcommon.a $(CURL_LIBS) $(JANSSON_LIBS)
