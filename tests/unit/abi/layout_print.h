/* The program that prints the layout, shared word for word by C and C++. */
#include <stddef.h>
#include <stdio.h>

#include "assay/plugin.h"

#ifdef __cplusplus
#define ALIGN_OF(type) alignof(type)
#define SIZE_OF(type, field) sizeof(type::field)
#define AS_LONG(value) static_cast<long long>(value)
#else
#define ALIGN_OF(type) _Alignof(type)
#define SIZE_OF(type, field) sizeof(((type*)0)->field)
#define AS_LONG(value) (long long)(value)
#endif

static size_t end_of_last_field;

static void print_padding(size_t offset) {
  if (offset > end_of_last_field)
    printf("  %zu padding %zu\n", end_of_last_field, offset - end_of_last_field);
}
static void print_struct(const char* name, size_t size, size_t align) {
  printf("%s size %zu align %zu\n", name, size, align);
  end_of_last_field = 0;
}
static void print_field(const char* name, size_t offset, size_t size) {
  print_padding(offset);
  printf("  %zu %s size %zu\n", offset, name, size);
  end_of_last_field = offset + size;
}
static void print_value(const char* name, long long value) {
  printf("%s %lld\n", name, value);
}

#define STRUCT(type) print_struct(#type, sizeof(type), ALIGN_OF(type));
#define FIELD(type, field) print_field(#field, offsetof(type, field), SIZE_OF(type, field));
#define END(type) print_padding(sizeof(type));
#define VALUE(name) print_value(#name, AS_LONG(name));

int main(void) {
#include "layout_fields.h"
  return 0;
}
