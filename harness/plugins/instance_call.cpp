#include "harness/plugins/instance_call.hpp"

#include <algorithm>
#include <functional>
#include <new>

namespace assay::host {

void* Arena::allocate(std::size_t size, std::size_t align) noexcept {
  constexpr std::size_t kFirstBlock = std::size_t{64} << 10U, kLargestBlock = std::size_t{8} << 20U;
  if (align == 0 || align > 4096 || (align & (align - 1)) != 0 || size > bytes_max_) return nullptr;
  const std::scoped_lock lock(mutex_);
  const auto fit = [&](Block& block) -> void* {
    const auto base = reinterpret_cast<std::uintptr_t>(block.memory.get());
    const std::uintptr_t start = (base + block.used + align - 1) & ~(static_cast<std::uintptr_t>(align) - 1);
    const std::size_t offset = start - base;
    if (offset > block.size || size > block.size - offset) return nullptr;
    block.used = offset + size;
    return block.memory.get() + offset;
  };
  if (!blocks_.empty()) {
    if (void* memory = fit(blocks_.back())) return memory;
  }
  std::size_t wanted = blocks_.empty() ? kFirstBlock : std::min(kLargestBlock, blocks_.back().size * 2);
  wanted = std::max(wanted, size + align);
  if (wanted > bytes_max_ || reserved_ > bytes_max_ - wanted) return nullptr;
  try {
    Block block;
    block.memory.reset(new std::byte[wanted]);
    block.size = wanted;
    blocks_.push_back(std::move(block));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  reserved_ += wanted;
  return fit(blocks_.back());
}

bool Arena::owns(const void* start, std::size_t size) const noexcept {
  if (size == 0) return true;
  if (start == nullptr) return false;
  const auto at = reinterpret_cast<std::uintptr_t>(start);
  const std::scoped_lock lock(mutex_);
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    const auto base = reinterpret_cast<std::uintptr_t>(block->memory.get());
    if (at >= base && at - base <= block->used && size <= block->used - (at - base)) return true;
  }
  return false;
}

CallScope::CallScope(std::shared_ptr<Arena> arena, const std::uint32_t* cancel, std::uint64_t deadline_ns,
                     std::size_t req_size, std::size_t res_size, RowVisitor visit)
    : arena_(std::move(arena)), visit_(std::move(visit)) {
  call_.struct_size = sizeof call_;
  call_.ctx = this;
  call_.req_size = req_size;
  call_.res_size = res_size;
  call_.alloc = [](void* ctx, std::size_t size, std::size_t align) noexcept -> void* {
    return static_cast<CallScope*>(ctx)->arena_->allocate(size, align);
  };
  call_.cancel = cancel;
  call_.deadline_ns = deadline_ns;
  call_.complete = [](void*, std::size_t) noexcept {};
  call_.row = [](void* ctx, std::size_t request, const assay_row* row) noexcept -> std::int32_t {
    auto* self = static_cast<CallScope*>(ctx);
    if (!self->visit_ || row == nullptr) return 1;
    try {
      return self->visit_(request, *row) ? 0 : 1;
    } catch (...) {
      return 1;
    }
  };
}

}  // namespace assay::host
