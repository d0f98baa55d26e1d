// The layout of assay/plugin.h as a C++20 compiler sees it.
#include "layout_print.h"
