# systemd: the unit, the accounts and the directories
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
EXTRA_DIST += systemd/postern.service.in systemd/postern.sysusers systemd/postern.tmpfiles.in
CLEANFILES += systemd/postern.service systemd/postern.tmpfiles

systemd/postern.service: $(srcdir)/systemd/postern.service.in Makefile
systemd/postern.tmpfiles: $(srcdir)/systemd/postern.tmpfiles.in Makefile
systemd/postern.service systemd/postern.tmpfiles:
	$(AM_V_GEN)$(MKDIR_P) systemd && sed -e 's|@sbindir[@]|$(sbindir)|g' \
		-e 's|@bindir[@]|$(bindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		-e 's|@localstatedir[@]|$(localstatedir)|g' $(srcdir)/$@.in > $@.tmp && mv $@.tmp $@

if HAVE_SYSTEMD
nodist_systemdsystemunit_DATA = systemd/postern.service

install-data-hook: systemd/postern.tmpfiles
	$(MKDIR_P) "$(DESTDIR)$(sysusersdir)" "$(DESTDIR)$(tmpfilesdir)"
	$(INSTALL_DATA) $(srcdir)/systemd/postern.sysusers "$(DESTDIR)$(sysusersdir)/postern.conf"
	$(INSTALL_DATA) systemd/postern.tmpfiles "$(DESTDIR)$(tmpfilesdir)/postern.conf"

uninstall-hook:
	rm -f "$(DESTDIR)$(sysusersdir)/postern.conf" "$(DESTDIR)$(tmpfilesdir)/postern.conf"
endif
