// Library of the generic task over files of JSON rows.
#include "jsonl_task.hpp"

ASSAY_PLUGIN(assay::jsonl::JsonlTask);
