// The `ngram` model engine: a trainable count model with a full distribution, known membership and exact
// unlearning, without weights or dependencies. Include this header to use it.
#pragma once

#include "model.hpp"      // training, unlearning, scoring, saving
#include "sampler.hpp"    // sampling and generation
#include "state.hpp"      // next-token questions
#include "tokenizer.hpp"  // closed vocabularies
#include "types.hpp"      // configuration and statistics
