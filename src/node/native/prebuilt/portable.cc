// What a newer libstdc++ has and an older one has not: with it here, the binding runs where Node 20 does.
#include <new>

namespace std {
__attribute__((visibility("hidden"))) void __throw_bad_array_new_length() { throw std::bad_array_new_length(); }
}  // namespace std
