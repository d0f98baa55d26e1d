// Library of the task of labelled texts.
#include "labelled_texts.hpp"

ASSAY_PLUGIN(assay::labelled_texts::LabelledTexts);
