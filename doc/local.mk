# doc: manual pages, and what explains the inside. The pages here name the directories of a system's package; those that
# are installed, the build's own.
man_pages = doc/built/postern.conf.5 doc/built/posternctl.8 doc/built/posternd.8
nodist_man_MANS += $(man_pages)
CLEANFILES += $(man_pages)
EXTRA_DIST += doc

doc/built/postern.conf.5: $(srcdir)/doc/postern.conf.5 Makefile
doc/built/posternctl.8: $(srcdir)/doc/posternctl.8 Makefile
doc/built/posternd.8: $(srcdir)/doc/posternd.8 Makefile
$(man_pages):
	$(AM_V_GEN)$(MKDIR_P) doc/built && sed -e 's|/usr/share/postern|$(pkgdatadir)|g' \
		-e 's|/etc/postern|$(sysconfdir)/postern|g' -e 's|/var/lib/postern|$(localstatedir)/lib/postern|g' \
		"$(srcdir)/doc/$$(basename $@)" > $@.tmp && mv $@.tmp $@
