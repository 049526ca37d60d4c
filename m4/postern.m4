# postern.m4 - probes for configure.ac

# POSTERN_CFLAG(VARIABLE, FLAG): appends FLAG to VARIABLE if the compiler takes it without a word.
AC_DEFUN([POSTERN_CFLAG], [
	AS_VAR_PUSHDEF([cached], [postern_cv_cflag_$2])
	AC_CACHE_CHECK([whether $CC takes $2], [cached], [
		saved_CFLAGS=$CFLAGS
		CFLAGS="$CFLAGS -Werror $2"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]])],
			[AS_VAR_SET([cached], [yes])], [AS_VAR_SET([cached], [no])])
		CFLAGS=$saved_CFLAGS
	])
	AS_VAR_IF([cached], [yes], [$1="$$1 $2"])
	AS_VAR_POPDEF([cached])
])

# POSTERN_LDFLAG(VARIABLE, FLAG): the same for the linker.
AC_DEFUN([POSTERN_LDFLAG], [
	AS_VAR_PUSHDEF([cached], [postern_cv_ldflag_$2])
	AC_CACHE_CHECK([whether the linker takes $2], [cached], [
		saved_LDFLAGS=$LDFLAGS
		saved_CFLAGS=$CFLAGS
		CFLAGS="$CFLAGS -Werror $HARDENING_CFLAGS"
		LDFLAGS="$LDFLAGS $2"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]])],
			[AS_VAR_SET([cached], [yes])], [AS_VAR_SET([cached], [no])])
		CFLAGS=$saved_CFLAGS
		LDFLAGS=$saved_LDFLAGS
	])
	AS_VAR_IF([cached], [yes], [$1="$$1 $2"])
	AS_VAR_POPDEF([cached])
])

# POSTERN_LIBRARY(PREFIX, MODULE AND VERSION, DEBIAN PACKAGE): what is missing is collected, so
# that one run of configure names all of it.
AC_DEFUN([POSTERN_LIBRARY], [
	PKG_CHECK_MODULES([$1], [$2], [],
		[missing_modules="$missing_modules $2;"; missing_packages="$missing_packages $3"])
])
