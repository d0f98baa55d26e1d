// The loops for baseline x86-64 and every other architecture. Compiled without flags of an instruction set.
#include "portable.hpp"

#include "loops.hpp"

namespace assay::kernel {

constinit const LoopTable kPortableLoops = table<Portable>("portable");

}  // namespace assay::kernel
