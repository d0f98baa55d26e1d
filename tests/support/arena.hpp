// An arena, a call and a response for tests that talk to plugin classes without the host.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "assay/sdk/model.hpp"
#include "assay/sdk/record.hpp"

namespace assay::test {

/// Memory that lives as long as the object, behind an assay_call.
class Arena {
 public:
  Arena() {
    raw_.struct_size = sizeof raw_;
    raw_.ctx = this;
    raw_.req_size = sizeof(assay_request);
    raw_.res_size = sizeof(assay_response);
    raw_.alloc = [](void* ctx, std::size_t size, std::size_t align) noexcept -> void* {
      auto& blocks = static_cast<Arena*>(ctx)->blocks_;
      try {
        blocks.push_back(std::make_unique<std::byte[]>(size + align));
      } catch (...) {
        return nullptr;
      }
      void* at = blocks.back().get();
      std::size_t room = size + align;
      return std::align(align, size, at, room);
    };
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  [[nodiscard]] const assay_call* raw() const { return &raw_; }
  /// The call; writers keep a reference to it.
  [[nodiscard]] const Call& call() const { return call_; }
  void clear() { blocks_.clear(); }

 private:
  assay_call raw_{};
  Call call_{&raw_};
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
};

/// A zero-filled response as the host hands it out.
inline assay_response empty_response() {
  assay_response response{};
  response.struct_size = sizeof response;
  response.mean_logprob = kMissing;
  response.status.code = ASSAY_UNSET;
  return response;
}

}  // namespace assay::test
