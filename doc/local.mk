# doc: manual pages, and what explains the inside
dist_man_MANS += \
	doc/postern.conf.5 \
	doc/posternctl.8 \
	doc/posternd.8
EXTRA_DIST += doc
