// What a plugin says of itself, for people: one walk over the descriptor, two ways of printing it.
#pragma once

#include <string>

#include "harness/plugins/spec.hpp"

namespace assay::host {

/// A page for a terminal of 100 columns (`assay plugin help ID`). Plain text, ends with a line feed.
std::string plugin_help_text(const PluginSpec& spec);
/// The same page as markdown, for the generated documentation.
std::string plugin_help_markdown(const PluginSpec& spec);

}  // namespace assay::host
