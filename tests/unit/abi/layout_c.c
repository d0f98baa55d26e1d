/* The layout of assay/plugin.h as a C11 compiler sees it. */
#include "layout_print.h"
