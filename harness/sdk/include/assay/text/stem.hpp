// Porter stemmer with the extensions of NLTK, as ROUGE implementations with stemming use it.
//
// Rules: M. F. Porter, "An algorithm for suffix stripping" (1980), with the changes of nltk/nltk :
// nltk/stem/porter.py, mode NLTK_EXTENSIONS, restated in unlearning.md 3.2. Stemmers of other libraries
// differ (dying, skies, news, proceed ...). Thread rule: pure function.
#pragma once

#include <string>
#include <string_view>

namespace assay::text {

/// Stem of a lower-case word. Characters other than a-z count as consonants; words of at most two bytes
/// are returned unchanged. Never fails; the empty word gives the empty word.
std::string porter_stem(std::string_view word);

}  // namespace assay::text
