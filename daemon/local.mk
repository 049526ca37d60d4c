# posternd: flags, then the parent or the role that was asked for
sbin_PROGRAMS += posternd
posternd_SOURCES = daemon/main.c
posternd_LDADD = \
	daemon/smtpd/libsmtpd.a \
	daemon/accounts/libaccounts.a \
	daemon/queue/libqueue.a \
	daemon/relay/librelay.a \
	daemon/control/libcontrol.a \
	daemon/mime/libmime.a \
	daemon/parent/libparent.a \
	daemon/core/libcore.a \
	daemon/config/libconf.a \
	common/libcommon.a \
	$(EVENT_LIBS) $(OPENSSL_LIBS) $(SQLITE_LIBS) $(CONFIG_LIBS) $(CARES_LIBS) $(GSASL_LIBS) \
	$(JANSSON_LIBS) $(IDN2_LIBS) $(SECCOMP_LIBS) $(CURL_LIBS) $(GMIME_LIBS)
