#include "plugins/tasks/planted_facts/planted_facts.hpp"

using assay::planted::PlantedFacts;

ASSAY_PLUGIN(PlantedFacts);
