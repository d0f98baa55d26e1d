// Library of the task of human and machine texts in pairs.
#include "text_pairs.hpp"

ASSAY_PLUGIN(assay::text_pairs::TextPairs);
