# conf: the sample config; it becomes the config where there is none. What is known of providers
posternconfdir = $(sysconfdir)/postern
dist_posternconf_DATA = conf/postern.conf.sample
# Data that an upgrade replaces; an administrator's own stands beside it. The rules for replies are built
# into posternd as well.
dist_pkgdata_DATA = conf/providers.conf conf/replies.conf

install-data-local:
	$(MKDIR_P) "$(DESTDIR)$(posternconfdir)"
	test -e "$(DESTDIR)$(posternconfdir)/postern.conf" || \
		$(INSTALL_DATA) $(srcdir)/conf/postern.conf.sample \
			"$(DESTDIR)$(posternconfdir)/postern.conf"

uninstall-local:
	if cmp -s $(srcdir)/conf/postern.conf.sample "$(DESTDIR)$(posternconfdir)/postern.conf"; then \
		rm -f "$(DESTDIR)$(posternconfdir)/postern.conf"; fi
