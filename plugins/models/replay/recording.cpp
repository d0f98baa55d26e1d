#include "plugins/models/replay/recording.hpp"

#include "plugins/models/replay/request_key.hpp"

namespace assay::replay {

std::string describe(const assay_request& request) {
  std::string text =
      "task '" + std::string(view(request.task)) + "', item '" + std::string(view(request.item)) + "'";
  if (request.variant.len != 0) text += ", variant '" + std::string(view(request.variant)) + "'";
  text +=
      ", request '" + std::string(view(request.name)) + "' of kind " + std::string(kind_name(request.kind));
  if (request.repeat != 0) text += ", repeat " + std::to_string(request.repeat);
  return text;
}

Error no_record(const assay_request& request, const std::string& path) {
  return {Code::kNotFound,
          "no_record: '" + path + "' holds no answer for " + describe(request) +
              "; record it, or select items that were recorded",
          "no_record"};
}

}  // namespace assay::replay
