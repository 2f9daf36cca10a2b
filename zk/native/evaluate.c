/* The field part of the protocol and the verifier's scalars, modulo the order of secp256k1.

   zk/program.py translates a circuit into a program once; a Program object checks every count and
   index of it and is trusted from then on. What is computed is what zk/evaluate.py and zk/verify.py
   compute in Python, bit for bit: the formulas are explained there and not repeated here.

   What runs and what is read depends on the program alone, never on a wire, mask or other scalar
   (zk/native/scalar.h), because a prover evaluates at points that follow from its witness. Buffers
   that held scalars are wiped before they are given back. There is no state outside the objects, and
   long work is done without the interpreter's lock. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "scalar.h"

#include <string.h>

#define MAX_COUNT (INT64_C(1) << 20)     /* of anything in a program but table entries */
#define MAX_LOW (INT64_C(1) << 16)
#define MAX_LINES 1024
#define MAX_SLOTS 64
#define MAX_DEGREE 16
#define MAX_COEFFICIENT (INT64_C(1) << 53)
#define WORK_WITHOUT_LOCK 2000 /* entries read; about ten microseconds' worth of work */

/* -- programs ---------------------------------------------------------------------------------- */

/* A table as the selectors of one radix read it: `columns` matrices of high rows and low columns,
   entries in chunks of `bits` bits so that sums over a row of 32-bit limbs stay below 2^64. */
typedef struct {
    uint32_t low, high, columns, bits, *chunks;
    uint32_t **entries; /* column by column, chunk by chunk: high*low */
} table_t;

/* Wires of a digit: `first` in Program.indices, base - 1 of them. */
typedef struct {
    uint32_t first, base;
} digit_t;

typedef struct {
    uint32_t table, digit, digits, split; /* digits below `split` number the columns of a row */
} selector_t;

typedef struct {
    uint32_t read, power;
} scaled_t;

typedef struct {
    uint32_t index;
    int64_t factor;
} term_t;

/* A sum of small multiples of values: terms to add, then terms to take off. */
typedef struct {
    uint32_t first, plus, minus;
} combination_t;

/* A value with a power of y in front. */
typedef struct {
    uint32_t weight, index;
} weighted_t;

typedef struct {
    uint32_t base, first, count;
} digits_t;

/* x^(D-1) times one weighted sum, plus another. */
typedef struct {
    uint32_t first, linear, top;
} sum_t;

typedef struct {
    PyObject_HEAD
    uint32_t wires, publics, slots, degree, powers, line_powers;
    /* Places of the values of a point: wires, x, publics times x, reads, scaled reads,
       combinations. */
    uint32_t at_x, at_publics, at_reads, at_scaled, at_combinations, values;
    uint32_t tables, selectors, scaleds, combinations, digitses;
    uint32_t largest_low, largest_high, largest_selector; /* the last: indicators of its digits */
    uint64_t entries; /* read at one point */
    table_t *table;
    selector_t *selector;
    digit_t *digit;
    uint32_t *index;
    scaled_t *scaled;
    combination_t *combination;
    term_t *term;
    digits_t *digits;
    weighted_t *weighted;
    sum_t *sum; /* of g, then of each slot */
} program_t;

static void *allocate(size_t count, size_t size)
{
    return PyMem_RawCalloc(count ? count : 1, size);
}

static void wipe(void *memory, size_t size)
{
    if (memory == NULL)
        return;
    memset(memory, 0, size);
    __asm__ __volatile__("" : : "r"(memory) : "memory"); /* what is cleared counts as read */
}

static void program_free(program_t *p)
{
    if (p->table != NULL)
        for (uint32_t t = 0; t < p->tables; t++) {
            table_t *table = &p->table[t];
            if (table->entries != NULL && table->chunks != NULL)
                for (uint32_t c = 0, all = 0; c < table->columns; c++)
                    for (uint32_t k = 0; k < table->chunks[c]; k++)
                        PyMem_RawFree(table->entries[all++]);
            PyMem_RawFree(table->entries);
            PyMem_RawFree(table->chunks);
        }
    PyMem_RawFree(p->table);
    PyMem_RawFree(p->selector);
    PyMem_RawFree(p->digit);
    PyMem_RawFree(p->index);
    PyMem_RawFree(p->scaled);
    PyMem_RawFree(p->combination);
    PyMem_RawFree(p->term);
    PyMem_RawFree(p->digits);
    PyMem_RawFree(p->weighted);
    PyMem_RawFree(p->sum);
}

/* The words of a program, 64 bits each and signed, read one after the other. */
typedef struct {
    const unsigned char *bytes;
    size_t left;
    const char *fault; /* the first thing that was wrong */
} reader_t;

static int64_t read_word(reader_t *r, int64_t lowest, int64_t highest, const char *what)
{
    if (r->fault != NULL)
        return lowest;
    if (r->left == 0) {
        r->fault = "a program ends too early";
        return lowest;
    }
    int64_t word = (int64_t)load_little(r->bytes);
    r->bytes += 8;
    r->left--;
    if (word < lowest || word > highest) {
        r->fault = what;
        return lowest;
    }
    return word;
}

static uint32_t read_size(reader_t *r)
{
    return (uint32_t)read_word(r, 0, MAX_COUNT, "a count of a program is out of range");
}

/* A number of things that follow, each of one word at least. */
static uint32_t read_count(reader_t *r)
{
    uint32_t count = read_size(r);
    if (r->fault == NULL && count > r->left) {
        r->fault = "a program ends too early";
        return 0;
    }
    return count;
}

static uint32_t read_index(reader_t *r, uint32_t beyond)
{
    return (uint32_t)read_word(r, 0, (int64_t)beyond - 1, "an index of a program is out of range");
}

/* Room for `count` things, which the fault "memory" reports if there is none. */
static const char no_memory[] = "memory";

static void *room(reader_t *r, size_t count, size_t size)
{
    void *memory = allocate(count, size);
    if (memory == NULL && r->fault == NULL)
        r->fault = no_memory;
    return memory;
}

static int bits_of(uint64_t value)
{
    return value ? 64 - __builtin_clzll(value) : 0;
}

static void read_table(reader_t *r, table_t *t)
{
    t->low = (uint32_t)read_word(r, 1, MAX_LOW, "a table of a program is too wide");
    t->high = (uint32_t)read_word(r, 1, MAX_COUNT, "a table of a program is too high");
    uint32_t columns = read_count(r);
    uint64_t size = (uint64_t)t->low * t->high;
    if (r->fault != NULL)
        return;
    if (columns && size > r->left / columns) {
        r->fault = "a program ends too early";
        return;
    }
    t->bits = 32 - (uint32_t)bits_of(t->low - 1);
    uint32_t most = 63 / t->bits + 1, all = 0;
    t->chunks = room(r, columns, sizeof *t->chunks);
    t->entries = room(r, (size_t)columns * most, sizeof *t->entries);
    if (r->fault != NULL)
        return;
    t->columns = columns;
    for (uint32_t c = 0; c < columns; c++) {
        uint64_t largest = 0;
        reader_t first = *r;
        for (uint64_t i = 0; i < size; i++)
            largest |= (uint64_t)read_word(r, 0, INT64_MAX, "a table entry is out of range");
        if (r->fault != NULL)
            return;
        uint32_t chunks = largest ? ((uint32_t)bits_of(largest) + t->bits - 1) / t->bits : 1;
        for (uint32_t k = 0; k < chunks; k++) {
            uint32_t *entries = room(r, size, sizeof *entries);
            if (entries == NULL)
                return;
            t->entries[all++] = entries;
            t->chunks[c]++;
            for (uint64_t i = 0; i < size; i++)
                entries[i] = (uint32_t)(load_little(first.bytes + 8 * i) >> k * t->bits &
                                        ((UINT64_C(1) << t->bits) - 1));
        }
    }
}

static void read_selectors(reader_t *r, program_t *p, uint32_t *reads)
{
    uint32_t digits = 0, indices = 0;
    p->selectors = read_count(r);
    p->selector = room(r, p->selectors, sizeof *p->selector);
    /* Every digit and every wire takes a word; one more, for the place where a fault is noticed. */
    p->digit = room(r, r->left + 1, sizeof *p->digit);
    p->index = room(r, r->left + 1, sizeof *p->index);
    for (uint32_t s = 0; s < p->selectors && r->fault == NULL; s++) {
        selector_t *selector = &p->selector[s];
        uint64_t low = 1, high = 1, indicators = 0;
        selector->table = read_index(r, p->tables);
        selector->digits = (uint32_t)read_word(r, 1, MAX_DEGREE, "a selector has too many digits");
        selector->split = read_index(r, selector->digits + 1);
        selector->digit = digits;
        for (uint32_t j = 0; j < selector->digits && r->fault == NULL; j++) {
            digit_t *digit = &p->digit[digits++];
            digit->first = indices;
            digit->base = read_count(r) + 1;
            for (uint32_t v = 1; v < digit->base && r->fault == NULL; v++)
                p->index[indices++] = read_index(r, p->wires);
            uint64_t *size = j < selector->split ? &low : &high;
            *size *= digit->base;
            indicators += digit->base;
            if (*size > (uint64_t)MAX_COUNT)
                r->fault = "a selector numbers too many rows";
        }
        if (r->fault != NULL)
            return;
        const table_t *table = &p->table[selector->table];
        if (low != table->low || high != table->high) {
            r->fault = "a selector does not fit its table";
            return;
        }
        *reads += table->columns + selector->digits;
        if (*reads > MAX_COUNT) { /* asked at each, so that the sum cannot wrap around */
            r->fault = "a program reads too many values";
            return;
        }
        p->entries += low * high * table->columns;
        if (low > p->largest_low)
            p->largest_low = (uint32_t)low;
        if (high > p->largest_high)
            p->largest_high = (uint32_t)high;
        if (indicators > p->largest_selector)
            p->largest_selector = (uint32_t)indicators;
    }
}

static void read_program(reader_t *r, program_t *p)
{
    uint32_t reads = 0, terms = 0, weighted = 0;
    p->wires = read_size(r);
    p->publics = read_size(r);
    p->slots = (uint32_t)read_word(r, 0, MAX_SLOTS, "a program has too many slots");
    p->degree = (uint32_t)read_word(r, 2, MAX_DEGREE, "the degree of a program is out of range");
    p->powers = read_size(r);
    p->line_powers = (uint32_t)read_word(r, 0, MAX_LINES, "a program has too many lines");
    if (r->fault == NULL && p->line_powers > p->powers)
        r->fault = "a program has more lines than powers of y";
    p->tables = read_count(r);
    p->table = room(r, p->tables, sizeof *p->table);
    for (uint32_t t = 0; t < p->tables && r->fault == NULL; t++)
        read_table(r, &p->table[t]);
    if (r->fault != NULL)
        return;
    read_selectors(r, p, &reads);
    p->at_x = p->wires;
    p->at_publics = p->at_x + 1;
    p->at_reads = p->at_publics + p->publics;
    p->at_scaled = p->at_reads + reads;
    p->scaleds = read_count(r);
    p->scaled = room(r, p->scaleds, sizeof *p->scaled);
    for (uint32_t i = 0; i < p->scaleds && r->fault == NULL; i++) {
        p->scaled[i].read = p->at_reads + read_index(r, reads);
        p->scaled[i].power = read_index(r, p->degree + 1);
    }
    p->at_combinations = p->at_scaled + p->scaleds;
    p->combinations = read_count(r);
    p->combination = room(r, p->combinations, sizeof *p->combination);
    p->term = room(r, r->left / 2 + 1, sizeof *p->term);
    for (uint32_t i = 0; i < p->combinations && r->fault == NULL; i++) {
        combination_t *combination = &p->combination[i];
        combination->first = terms;
        combination->plus = read_count(r);
        combination->minus = read_count(r);
        for (uint32_t j = combination->plus + combination->minus; j && r->fault == NULL; j--) {
            term_t *term = &p->term[terms];
            term->index = read_index(r, p->at_combinations);
            term->factor = read_word(r, 1, MAX_COEFFICIENT - 1, "a factor is out of range");
            terms++;
        }
    }
    p->values = p->at_combinations + p->combinations;
    p->digitses = read_count(r);
    p->digits = room(r, p->digitses, sizeof *p->digits);
    p->weighted = room(r, r->left / 2 + 1, sizeof *p->weighted);
    for (uint32_t i = 0; i < p->digitses && r->fault == NULL; i++) {
        digits_t *digits = &p->digits[i];
        digits->base = (uint32_t)read_word(r, 2, p->degree, "a digit's base is out of range");
        digits->count = read_count(r);
        digits->first = weighted;
        for (uint32_t j = 0; j < digits->count && r->fault == NULL; j++) {
            p->weighted[weighted].weight = read_index(r, p->powers);
            p->weighted[weighted].index = read_index(r, p->values);
            weighted++;
        }
    }
    p->sum = room(r, (size_t)p->slots + 1, sizeof *p->sum);
    for (uint32_t i = 0; i <= p->slots && r->fault == NULL; i++) {
        sum_t *sum = &p->sum[i];
        sum->linear = read_count(r);
        sum->top = read_count(r);
        sum->first = weighted;
        for (uint32_t j = sum->linear + sum->top; j && r->fault == NULL; j--) {
            p->weighted[weighted].weight = read_index(r, p->powers);
            p->weighted[weighted].index = read_index(r, p->values);
            weighted++;
        }
    }
    if (r->fault == NULL && r->left)
        r->fault = "a program is too long";
}

/* -- one point --------------------------------------------------------------------------------- */

/* Memory for one point at a time. */
typedef struct {
    unsigned char *all;
    size_t size;
    scalar_t *values, *x_powers, *indicators, *low, *low_half, *high;
    uint32_t *limbs;
} scratch_t;

static int scratch_make(scratch_t *s, const program_t *p)
{
    size_t low = p->largest_low, high = p->largest_high;
    size_t scalars = (size_t)p->values + p->degree + 1 + p->largest_selector + 2 * low + high;
    s->size = scalars * sizeof(scalar_t) + low * 8 * sizeof(uint32_t);
    s->all = allocate(s->size, 1);
    if (s->all == NULL)
        return -1;
    s->values = (scalar_t *)s->all;
    s->x_powers = s->values + p->values;
    s->indicators = s->x_powers + p->degree + 1;
    s->low = s->indicators + p->largest_selector;
    s->low_half = s->low + low;
    s->high = s->low_half + low;
    s->limbs = (uint32_t *)(s->high + high);
    return 0;
}

static void scratch_free(scratch_t *s)
{
    wipe(s->all, s->size);
    PyMem_RawFree(s->all);
    s->all = NULL;
}

static void powers(scalar_t *result, size_t count, const scalar_t *base)
{
    if (count)
        result[0] = scalar_small(1);
    for (size_t i = 1; i < count; i++)
        scalar_multiply(&result[i], &result[i - 1], base);
}

/* base^exponent; the exponent is public. */
static void raise_to(scalar_t *r, const scalar_t *base, uint32_t exponent)
{
    scalar_t result = scalar_small(1);
    for (int bit = bits_of(exponent); bit-- > 0;) {
        scalar_multiply(&result, &result, &result);
        if (exponent >> bit & 1)
            scalar_multiply(&result, &result, base);
    }
    *r = result;
}

/* Products of one indicator of each digit, the first digit running fastest; their number. The
   digits' indicators stand one after the other. */
static size_t tensor(scalar_t *product, const scalar_t *indicators, const digit_t *digits,
                     size_t count)
{
    size_t size = 1;
    product[0] = scalar_small(1);
    for (size_t j = 0; j < count; j++) {
        size_t base = digits[j].base;
        if (j == 0) {
            memcpy(product, indicators, base * sizeof *product);
        } else {
            for (size_t v = base; v-- > 0;) /* from above, so that nothing is overwritten early */
                for (size_t i = 0; i < size; i++)
                    scalar_multiply(&product[v * size + i], &product[i], &indicators[v]);
        }
        size *= base;
        indicators += base;
    }
    return size;
}

/* sums[h] = row h of entries times low, for `rows` rows: eight sums, one for each 32 bits of a
   scalar. Below 2^64, see table_t. */
static void sum_rows(uint64_t (*sums)[8], const uint32_t *entries, size_t rows, size_t low,
                     const uint32_t *limbs)
{
    for (size_t h = 0; h < rows; h++, entries += low) {
        uint64_t sum[8] = {0};
        for (size_t l = 0; l < low; l++)
            for (int j = 0; j < 8; j++)
                sum[j] += (uint64_t)limbs[8 * l + j] * entries[l];
        memcpy(sums[h], sum, sizeof sum);
    }
}

#if defined(__x86_64__)
#define HAVE_AVX2 1
/* The same for four rows, on processors that have the instructions. */
__attribute__((target("avx2"))) static void sum_four_rows(uint64_t (*sums)[8],
                                                          const uint32_t *entries, size_t low,
                                                          const uint32_t *limbs)
{
    __m256i sum[4][2];
    for (int h = 0; h < 4; h++)
        sum[h][0] = sum[h][1] = _mm256_setzero_si256();
    for (size_t l = 0; l < low; l++) {
        const __m128i *limb = (const __m128i *)(limbs + 8 * l);
        __m256i first = _mm256_cvtepu32_epi64(_mm_loadu_si128(limb));
        __m256i second = _mm256_cvtepu32_epi64(_mm_loadu_si128(limb + 1));
        for (int h = 0; h < 4; h++) {
            __m256i entry = _mm256_set1_epi32((int)entries[(size_t)h * low + l]);
            sum[h][0] = _mm256_add_epi64(sum[h][0], _mm256_mul_epu32(first, entry));
            sum[h][1] = _mm256_add_epi64(sum[h][1], _mm256_mul_epu32(second, entry));
        }
    }
    for (int h = 0; h < 4; h++)
        for (int half = 0; half < 2; half++)
            _mm256_storeu_si256((__m256i *)(sums[h] + 4 * half), sum[h][half]);
}
#endif

/* total += the integer that eight sums make, 32 bits apart, times 2^shift; shift is below 63. */
static void add_sums(middle_t *total, const uint64_t sums[8], uint32_t shift)
{
    uint64_t whole[6], below = 0;
    uint128 rest = 0;
    for (int j = 0; j < 4; j++) {
        rest += sums[2 * j];
        uint64_t half = (uint32_t)rest;
        rest = (rest >> 32) + sums[2 * j + 1];
        whole[j] = half | (uint64_t)(uint32_t)rest << 32;
        rest >>= 32;
    }
    whole[4] = (uint64_t)rest;
    whole[5] = 0;
    for (int i = 0; i < 6; i++) {
        uint64_t limb = whole[i];
        whole[i] = limb << shift | below;
        below = shift ? limb >> (64 - shift) : 0;
    }
    add_row(total->limb, whole, 6);
}

/* out[h] = the sum of entries[h][l]*low[l] over l. */
static void contract(scalar_t *out, const table_t *t, uint32_t *const *chunk, uint32_t chunks,
                     const uint32_t *limbs)
{
#if defined(HAVE_AVX2)
    const int has_avx2 = __builtin_cpu_supports("avx2");
#endif
    for (size_t h = 0; h < t->high; h += 4) {
        size_t rows = t->high - h < 4 ? t->high - h : 4;
        middle_t total[4] = {{{0}}};
        for (uint32_t k = 0; k < chunks; k++) {
            const uint32_t *entries = chunk[k] + h * t->low;
            uint64_t sums[4][8];
#if defined(HAVE_AVX2)
            if (has_avx2 && rows == 4)
                sum_four_rows(sums, entries, t->low, limbs);
            else
#endif
                sum_rows(sums, entries, rows, t->low, limbs);
            for (size_t i = 0; i < rows; i++)
                add_sums(&total[i], sums[i], k * t->bits);
        }
        for (size_t i = 0; i < rows; i++)
            middle_reduce(&out[h + i], &total[i]);
    }
}

/* The sums over one digit after the other: what is left of `count` entries is out[0]. */
static void fold_digits(scalar_t *out, size_t count, const scalar_t *indicators,
                        const digit_t *digits, size_t number)
{
    for (size_t j = 0; j < number; j++) {
        size_t base = digits[j].base;
        count /= base;
        for (size_t i = 0; i < count; i++) {
            wide_t sum = {{0}};
            for (size_t v = 0; v < base; v++)
                wide_add_product(&sum, &out[i * base + v], &indicators[v]);
            wide_reduce(&out[i], &sum);
        }
        indicators += base;
    }
}

/* The columns that a selector reads, then the indicators of its digits' zeros. */
static void read_columns(const program_t *p, const selector_t *selector, scratch_t *s,
                         scalar_t *reads)
{
    const table_t *table = &p->table[selector->table];
    const digit_t *digits = &p->digit[selector->digit];
    scalar_t *indicators = s->indicators;
    size_t low_indicators = 0;
    for (uint32_t j = 0; j < selector->digits; j++) {
        const uint32_t *wires = &p->index[digits[j].first];
        scalar_t zero = s->values[p->at_x];
        for (uint32_t v = 1; v < digits[j].base; v++) {
            indicators[v] = s->values[wires[v - 1]];
            scalar_subtract(&zero, &zero, &indicators[v]);
        }
        indicators[0] = zero;
        reads[table->columns + j] = zero;
        indicators += digits[j].base;
        if (j < selector->split)
            low_indicators += digits[j].base;
    }
    if (table->columns == 0)
        return;
    /* The low digits' products, of two halves' products. */
    uint32_t half = selector->split / 2;
    const scalar_t *second = s->indicators;
    for (uint32_t j = 0; j < half; j++)
        second += digits[j].base;
    if (half == 0) {
        tensor(s->low, s->indicators, digits, selector->split);
    } else {
        size_t fast = tensor(s->low, s->indicators, digits, half);
        size_t slow = tensor(s->low_half, second, digits + half, selector->split - half);
        for (size_t i = slow; i-- > 0;)
            for (size_t k = 0; k < fast; k++)
                scalar_multiply(&s->low[i * fast + k], &s->low[k], &s->low_half[i]);
    }
    for (size_t l = 0; l < table->low; l++)
        for (int j = 0; j < 4; j++) {
            s->limbs[8 * l + 2 * j] = (uint32_t)s->low[l].limb[j];
            s->limbs[8 * l + 2 * j + 1] = (uint32_t)(s->low[l].limb[j] >> 32);
        }
    uint32_t *const *chunk = table->entries;
    for (uint32_t c = 0; c < table->columns; c++) {
        contract(s->high, table, chunk, table->chunks[c], s->limbs);
        chunk += table->chunks[c];
        fold_digits(s->high, table->high, s->indicators + low_indicators,
                    digits + selector->split, selector->digits - selector->split);
        reads[c] = s->high[0];
    }
}

/* factor*a, below q. */
static void small_multiple(scalar_t *r, const scalar_t *a, uint64_t factor)
{
    middle_t product = {{0}};
    middle_add_product(&product, a, factor);
    middle_reduce(r, &product);
    scalar_normalise(r);
}

static void combine_terms(scalar_t *r, const term_t *terms, uint32_t count, const scalar_t *values)
{
    middle_t sum = {{0}};
    for (uint32_t i = 0; i < count; i++)
        middle_add_product(&sum, &values[terms[i].index], (uint64_t)terms[i].factor);
    middle_reduce(r, &sum);
}

/* Sum of y^e times (v)(v - x)...(v - (base - 1)x), two factors at a time:
   (v - jx)(v - (base - 1 - j)x) = t + j(base - 1 - j)x^2 with t = v(v - (base - 1)x). */
static void add_digits(wide_t *g, const program_t *p, const digits_t *digits, const scratch_t *s,
                       const scalar_t *y)
{
    const scalar_t *x = &s->values[p->at_x];
    uint32_t base = digits->base, pairs = base / 2;
    scalar_t offsets[MAX_DEGREE / 2], largest, middle;
    small_multiple(&largest, x, base - 1);
    small_multiple(&middle, x, (base - 1) / 2);
    for (uint32_t j = 1; j < pairs; j++)
        small_multiple(&offsets[j], &s->x_powers[2], j * (base - 1 - j));
    wide_t sum = {{0}};
    for (uint32_t i = 0; i < digits->count; i++) {
        const weighted_t *weighted = &p->weighted[digits->first + i];
        const scalar_t *v = &s->values[weighted->index];
        scalar_t t, product, factor;
        scalar_subtract(&factor, v, &largest);
        scalar_multiply(&t, v, &factor);
        product = t;
        for (uint32_t j = 1; j < pairs; j++) {
            scalar_add(&factor, &t, &offsets[j]);
            scalar_multiply(&product, &product, &factor);
        }
        if (base % 2) {
            scalar_subtract(&factor, v, &middle);
            scalar_multiply(&product, &product, &factor);
        }
        wide_add_product(&sum, &y[weighted->weight], &product);
    }
    scalar_t reduced;
    wide_reduce(&reduced, &sum);
    wide_add_product(g, &s->x_powers[p->degree - base], &reduced);
}

/* g and h at the point whose wires and x are in s->values already; 1 + slots scalars. */
static void evaluate_point(const program_t *p, scratch_t *s, const scalar_t *y,
                           const uint64_t *publics, scalar_t *result)
{
    scalar_t *values = s->values;
    const scalar_t *x = &values[p->at_x];
    for (uint32_t i = 0; i <= p->at_x; i++)
        scalar_normalise(&values[i]);
    powers(s->x_powers, p->degree + 1, x);
    for (uint32_t j = 0; j < p->publics; j++)
        small_multiple(&values[p->at_publics + j], x, publics[j]);
    scalar_t *reads = values + p->at_reads;
    for (uint32_t i = 0; i < p->selectors; i++) {
        const selector_t *selector = &p->selector[i];
        read_columns(p, selector, s, reads);
        reads += p->table[selector->table].columns + selector->digits;
    }
    for (uint32_t i = 0; i < p->scaleds; i++)
        scalar_multiply(&values[p->at_scaled + i], &values[p->scaled[i].read],
                        &s->x_powers[p->scaled[i].power]);
    for (uint32_t i = 0; i < p->combinations; i++) {
        const combination_t *combination = &p->combination[i];
        const term_t *terms = &p->term[combination->first];
        scalar_t plus, minus;
        combine_terms(&plus, terms, combination->plus, values);
        combine_terms(&minus, terms + combination->plus, combination->minus, values);
        scalar_normalise(&minus);
        scalar_subtract(&values[p->at_combinations + i], &plus, &minus);
    }
    for (uint32_t i = 0; i <= p->slots; i++) {
        const sum_t *sum = &p->sum[i];
        const weighted_t *weighted = &p->weighted[sum->first];
        wide_t total = {{0}};
        if (sum->linear) {
            scalar_t linear;
            for (uint32_t j = 0; j < sum->linear; j++, weighted++)
                wide_add_product(&total, &y[weighted->weight], &values[weighted->index]);
            wide_reduce(&linear, &total);
            memset(&total, 0, sizeof total);
            wide_add_product(&total, &s->x_powers[p->degree - 1], &linear);
        }
        for (uint32_t j = 0; j < sum->top; j++, weighted++)
            wide_add_product(&total, &y[weighted->weight], &values[weighted->index]);
        if (i == 0)
            for (uint32_t j = 0; j < p->digitses; j++)
                add_digits(&total, p, &p->digits[j], s, y);
        wide_reduce(&result[i], &total);
    }
}

/* -- what Python sees -------------------------------------------------------------------------- */

/* Lets other threads run while there is much to do. */
#define BEGIN_WORK(program, points)                                             \
    {                                                                           \
        PyThreadState *thread_ = NULL;                                          \
        if ((double)(points) * ((double)(program)->entries + (program)->values) \
            > WORK_WITHOUT_LOCK)                                                \
            thread_ = PyEval_SaveThread();

#define END_WORK                                                                \
        if (thread_ != NULL)                                                    \
            PyEval_RestoreThread(thread_);                                      \
    }

static void load_scalars(scalar_t *r, const unsigned char *p, size_t count)
{
    for (size_t i = 0; i < count; i++)
        scalar_load_little(&r[i], p + i * SCALAR_BYTES);
}

static void store_scalars(unsigned char *p, const scalar_t *a, size_t count)
{
    for (size_t i = 0; i < count; i++)
        scalar_store_little(p + i * SCALAR_BYTES, &a[i]);
}

static void load_publics(uint64_t *u, const unsigned char *p, size_t count)
{
    for (size_t i = 0; i < count; i++)
        u[i] = load_big(p + 8 * i);
}

static PyObject *program_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    const char *bytes;
    Py_ssize_t size;
    if (keywords != NULL && PyDict_GET_SIZE(keywords)) {
        PyErr_SetString(PyExc_TypeError, "Program takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "y#:Program", &bytes, &size))
        return NULL;
    program_t *p = (program_t *)type->tp_alloc(type, 0);
    if (p == NULL)
        return NULL;
    reader_t reader = {(const unsigned char *)bytes, (size_t)size / 8, NULL};
    if (size % 8)
        reader.fault = "a program is not a whole number of words";
    else
        read_program(&reader, p);
    if (reader.fault != NULL) {
        Py_DECREF(p);
        if (reader.fault == no_memory)
            return PyErr_NoMemory();
        PyErr_SetString(PyExc_ValueError, reader.fault);
        return NULL;
    }
    return (PyObject *)p;
}

static void program_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    program_free((program_t *)self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Whether each of several lengths is what a number of points takes. */
static int fits(Py_ssize_t length, size_t count, size_t each, const char *what)
{
    size_t expected;
    if (!__builtin_mul_overflow(count, each, &expected) && (size_t)length == expected)
        return 1;
    PyErr_Format(PyExc_ValueError, "%s have the wrong length", what);
    return 0;
}

PyDoc_STRVAR(evaluate_doc,
    "evaluate(f, x, y_powers, publics) -> bytes\n\n"
    "g, h_1 ... h_S at every point. Scalars are 32 bytes, little-endian, publics 8 bytes,\n"
    "big-endian; each argument joins what belongs to the points, in order. Raises ValueError for\n"
    "lengths that do not fit together.");

static PyObject *program_evaluate(PyObject *self, PyObject *args)
{
    const program_t *p = (const program_t *)self;
    const unsigned char *f, *x, *y, *u;
    Py_ssize_t f_size, x_size, y_size, u_size;
    if (!PyArg_ParseTuple(args, "y#y#y#y#:evaluate", &f, &f_size, &x, &x_size, &y, &y_size, &u,
                          &u_size))
        return NULL;
    size_t count = (size_t)x_size / SCALAR_BYTES, results = (size_t)p->slots + 1;
    if (!fits(x_size, count, SCALAR_BYTES, "the x of points") ||
        !fits(f_size, count, (size_t)p->wires * SCALAR_BYTES, "the wires of points") ||
        !fits(y_size, count, (size_t)p->powers * SCALAR_BYTES, "the powers of y of points") ||
        !fits(u_size, count, (size_t)p->publics * 8, "the public inputs of points"))
        return NULL;
    PyObject *made = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * results * SCALAR_BYTES));
    if (made == NULL)
        return NULL;
    unsigned char *out = (unsigned char *)PyBytes_AS_STRING(made);
    scratch_t s;
    scalar_t *y_powers = allocate(p->powers + results, sizeof *y_powers);
    uint64_t *publics = allocate(p->publics, sizeof *publics);
    int failed = scratch_make(&s, p) || y_powers == NULL || publics == NULL;
    if (!failed) {
        scalar_t *result = y_powers + p->powers;
        BEGIN_WORK(p, count)
        for (size_t i = 0; i < count; i++) {
            load_scalars(s.values, f, p->wires);
            load_scalars(&s.values[p->at_x], x, 1);
            load_scalars(y_powers, y, p->powers);
            load_publics(publics, u, p->publics);
            evaluate_point(p, &s, y_powers, publics, result);
            store_scalars(out, result, results);
            f += (size_t)p->wires * SCALAR_BYTES;
            x += SCALAR_BYTES;
            y += (size_t)p->powers * SCALAR_BYTES;
            u += (size_t)p->publics * 8;
            out += results * SCALAR_BYTES;
        }
        wipe(result, results * sizeof *result);
        END_WORK
    }
    scratch_free(&s);
    PyMem_RawFree(y_powers);
    PyMem_RawFree(publics);
    if (failed) {
        Py_DECREF(made);
        return PyErr_NoMemory();
    }
    return made;
}

PyDoc_STRVAR(field_parts_doc,
    "field_parts(responses, challenges, publics) -> bytes\n\n"
    "g, h_1 ... h_S of every proof, little-endian. Responses are f_1 ... f_n, z_1, z_2 as a proof\n"
    "has them (32 bytes, big-endian), challenges y, x (32 bytes, little-endian), publics 8 bytes,\n"
    "big-endian. Raises ValueError for lengths that do not fit together.");

static PyObject *program_field_parts(PyObject *self, PyObject *args)
{
    const program_t *p = (const program_t *)self;
    const unsigned char *responses, *challenges, *u;
    Py_ssize_t responses_size, challenges_size, u_size;
    if (!PyArg_ParseTuple(args, "y#y#y#:field_parts", &responses, &responses_size, &challenges,
                          &challenges_size, &u, &u_size))
        return NULL;
    size_t count = (size_t)challenges_size / (2 * SCALAR_BYTES), results = (size_t)p->slots + 1;
    size_t response = ((size_t)p->wires + 2) * SCALAR_BYTES;
    if (!fits(challenges_size, count, 2 * SCALAR_BYTES, "the challenges of proofs") ||
        !fits(responses_size, count, response, "the responses of proofs") ||
        !fits(u_size, count, (size_t)p->publics * 8, "the public inputs of proofs"))
        return NULL;
    PyObject *made = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * results * SCALAR_BYTES));
    if (made == NULL)
        return NULL;
    unsigned char *out = (unsigned char *)PyBytes_AS_STRING(made);
    scratch_t s;
    scalar_t *y_powers = allocate(p->powers + results, sizeof *y_powers);
    uint64_t *publics = allocate(p->publics, sizeof *publics);
    int failed = scratch_make(&s, p) || y_powers == NULL || publics == NULL;
    if (!failed) {
        scalar_t *result = y_powers + p->powers;
        BEGIN_WORK(p, count)
        for (size_t i = 0; i < count; i++) {
            scalar_t y;
            for (size_t k = 0; k < p->wires; k++)
                scalar_load_big(&s.values[k], responses + k * SCALAR_BYTES);
            load_scalars(&y, challenges, 1);
            load_scalars(&s.values[p->at_x], challenges + SCALAR_BYTES, 1);
            load_publics(publics, u, p->publics);
            powers(y_powers, p->powers, &y);
            evaluate_point(p, &s, y_powers, publics, result);
            store_scalars(out, result, results);
            responses += response;
            challenges += 2 * SCALAR_BYTES;
            u += (size_t)p->publics * 8;
            out += results * SCALAR_BYTES;
        }
        END_WORK
    }
    scratch_free(&s);
    PyMem_RawFree(y_powers);
    PyMem_RawFree(publics);
    if (failed) {
        Py_DECREF(made);
        return PyErr_NoMemory();
    }
    return made;
}

PyDoc_STRVAR(scalars_doc,
    "scalars(sums, slots, responses, challenges, values, weights) -> (sums, scalars)\n\n"
    "The weighted equations of every proof: scalars of B, A, T_0 ... T_(D-1), C_0 ... C_(L-1),\n"
    "proof after proof, and what comes off the sums that belong to H, G, J_1 ... J_slots,\n"
    "G_1, G_2 ... Weights are two integers of 16 bytes for every proof, values what field_parts\n"
    "returned, both little-endian like sums and scalars. Raises ValueError for lengths that do not\n"
    "fit together.");

static PyObject *program_scalars(PyObject *self, PyObject *args)
{
    const program_t *p = (const program_t *)self;
    const unsigned char *before, *responses, *challenges, *values, *weights;
    Py_ssize_t before_size, slots, responses_size, challenges_size, values_size, weights_size;
    if (!PyArg_ParseTuple(args, "y#ny#y#y#y#:scalars", &before, &before_size, &slots, &responses,
                          &responses_size, &challenges, &challenges_size, &values, &values_size,
                          &weights, &weights_size))
        return NULL;
    size_t count = (size_t)challenges_size / (2 * SCALAR_BYTES), results = (size_t)p->slots + 1;
    size_t response = ((size_t)p->wires + 2) * SCALAR_BYTES;
    size_t points = 2 + (size_t)p->degree + p->line_powers;
    size_t sums = (size_t)before_size / SCALAR_BYTES;
    if (!fits(challenges_size, count, 2 * SCALAR_BYTES, "the challenges of proofs") ||
        !fits(responses_size, count, response, "the responses of proofs") ||
        !fits(values_size, count, results * SCALAR_BYTES, "the values of proofs") ||
        !fits(weights_size, count, 2 * 16, "the weights of proofs") ||
        !fits(before_size, sums, SCALAR_BYTES, "the sums"))
        return NULL;
    if (slots < (Py_ssize_t)p->slots || slots > MAX_COUNT || sums < 2 + (size_t)slots + p->wires) {
        PyErr_SetString(PyExc_ValueError, "there are fewer sums than slots and wires");
        return NULL;
    }
    PyObject *after = PyBytes_FromStringAndSize(NULL, before_size);
    PyObject *made = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * points * SCALAR_BYTES));
    wide_t *totals = allocate(sums, sizeof *totals);
    scalar_t *scalar = allocate(points, sizeof *scalar);
    PyObject *both = NULL;
    if (after == NULL || made == NULL)
        goto done;
    if (totals == NULL || scalar == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    unsigned char *out = (unsigned char *)PyBytes_AS_STRING(made);
    wide_t *H = totals, *G = totals + 1, *J = totals + 2, *W = totals + 2 + slots;
    BEGIN_WORK(p, count)
    for (size_t i = 0; i < count; i++) {
        scalar_t first = {{load_little(weights), load_little(weights + 8), 0, 0}};
        scalar_t second = {{load_little(weights + 16), load_little(weights + 24), 0, 0}};
        scalar_t y, x, v, power;
        load_scalars(&y, challenges, 1);
        load_scalars(&x, challenges + SCALAR_BYTES, 1);
        for (size_t k = 0; k < p->wires; k++) {
            scalar_load_big(&v, responses + k * SCALAR_BYTES);
            wide_add_product(&W[k], &first, &v);
        }
        scalar_load_big(&v, responses + (size_t)p->wires * SCALAR_BYTES);
        wide_add_product(H, &first, &v);
        scalar_load_big(&v, responses + ((size_t)p->wires + 1) * SCALAR_BYTES);
        wide_add_product(H, &second, &v);
        load_scalars(&v, values, 1);
        wide_add_product(G, &second, &v);
        for (size_t s = 0; s < p->slots; s++) {
            load_scalars(&v, values + (s + 1) * SCALAR_BYTES, 1);
            wide_add_product(&J[s], &second, &v);
        }
        scalar_multiply(&scalar[0], &first, &x);
        scalar[1] = first;
        power = second;
        for (size_t k = 0; k < p->degree; k++) {
            scalar[2 + k] = power;
            scalar_multiply(&power, &power, &x);
        }
        raise_to(&v, &y, p->powers - p->line_powers);
        scalar_multiply(&power, &power, &v);
        for (size_t l = 0; l < p->line_powers; l++) {
            scalar[2 + p->degree + l] = power;
            scalar_multiply(&power, &power, &y);
        }
        store_scalars(out, scalar, points);
        responses += response;
        challenges += 2 * SCALAR_BYTES;
        values += results * SCALAR_BYTES;
        weights += 2 * 16;
        out += points * SCALAR_BYTES;
    }
    out = (unsigned char *)PyBytes_AS_STRING(after);
    for (size_t i = 0; i < sums; i++) {
        scalar_t sum, total;
        load_scalars(&sum, before + i * SCALAR_BYTES, 1);
        wide_reduce(&total, &totals[i]);
        scalar_normalise(&total);
        scalar_subtract(&sum, &sum, &total);
        store_scalars(out + i * SCALAR_BYTES, &sum, 1);
    }
    END_WORK
    both = PyTuple_Pack(2, after, made);
done:
    PyMem_RawFree(totals);
    PyMem_RawFree(scalar);
    Py_XDECREF(after);
    Py_XDECREF(made);
    return both;
}

PyDoc_STRVAR(coefficients_doc,
    "coefficients(w, a, y, publics, top, interpolation) -> bytes\n\n"
    "For the prover: coefficients below X^D of g, h_1 ... h_S along f(X) = w*X + a. `top` has the\n"
    "coefficients at X^D, `interpolation` is the D*D matrix that takes values at 0 ... D-1 to\n"
    "coefficients. Scalars are 32 bytes, little-endian, publics 8 bytes, big-endian. Raises\n"
    "ValueError for lengths that do not fit together.");

static PyObject *program_coefficients(PyObject *self, PyObject *args)
{
    const program_t *p = (const program_t *)self;
    const unsigned char *w, *a, *y, *u, *top, *matrix;
    Py_ssize_t w_size, a_size, y_size, u_size, top_size, matrix_size;
    if (!PyArg_ParseTuple(args, "y#y#y#y#y#y#:coefficients", &w, &w_size, &a, &a_size, &y, &y_size,
                          &u, &u_size, &top, &top_size, &matrix, &matrix_size))
        return NULL;
    size_t degree = p->degree, results = (size_t)p->slots + 1;
    if (!fits(w_size, p->wires, SCALAR_BYTES, "the wires") ||
        !fits(a_size, p->wires, SCALAR_BYTES, "the masks") ||
        !fits(y_size, 1, SCALAR_BYTES, "the bytes of y") ||
        !fits(u_size, p->publics, 8, "the public inputs") ||
        !fits(top_size, results, SCALAR_BYTES, "the top coefficients") ||
        !fits(matrix_size, degree * degree, SCALAR_BYTES, "the entries of the matrix"))
        return NULL;
    PyObject *made =
        PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(degree * results * SCALAR_BYTES));
    if (made == NULL)
        return NULL;
    unsigned char *out = (unsigned char *)PyBytes_AS_STRING(made);
    size_t size = 2 * (size_t)p->wires + p->powers + degree * results + results;
    scratch_t s;
    scalar_t *wires = allocate(size, sizeof *wires);
    uint64_t *publics = allocate(p->publics, sizeof *publics);
    int failed = scratch_make(&s, p) || wires == NULL || publics == NULL;
    if (!failed) {
        scalar_t *f = wires + p->wires, *y_powers = f + p->wires, *at = y_powers + p->powers;
        scalar_t *tops = at + degree * results;
        BEGIN_WORK(p, degree)
        scalar_t challenge;
        load_scalars(wires, w, p->wires);
        for (size_t k = 0; k < p->wires; k++)
            scalar_normalise(&wires[k]);
        load_scalars(f, a, p->wires);
        load_scalars(&challenge, y, 1);
        load_scalars(tops, top, results);
        load_publics(publics, u, p->publics);
        powers(y_powers, p->powers, &challenge);
        for (size_t t = 0; t < degree; t++) {
            memcpy(s.values, f, p->wires * sizeof *f);
            s.values[p->at_x] = scalar_small(t);
            evaluate_point(p, &s, y_powers, publics, at + t * results);
            for (size_t i = 0; i < results; i++) {
                scalar_t *value = at + t * results + i, above;
                scalar_multiply(&above, &tops[i], &s.x_powers[degree]);
                scalar_normalise(&above);
                scalar_subtract(value, value, &above);
            }
            for (size_t k = 0; k < p->wires; k++)
                scalar_add(&f[k], &f[k], &wires[k]);
        }
        for (size_t i = 0; i < results; i++)
            for (size_t k = 0; k < degree; k++) {
                wide_t sum = {{0}};
                scalar_t coefficient;
                for (size_t t = 0; t < degree; t++) {
                    load_scalars(&coefficient, matrix + (k * degree + t) * SCALAR_BYTES, 1);
                    wide_add_product(&sum, &coefficient, &at[t * results + i]);
                }
                wide_reduce(&coefficient, &sum);
                store_scalars(out + (i * degree + k) * SCALAR_BYTES, &coefficient, 1);
            }
        END_WORK
    }
    scratch_free(&s);
    wipe(wires, size * sizeof *wires);
    PyMem_RawFree(wires);
    PyMem_RawFree(publics);
    if (failed) {
        Py_DECREF(made);
        return PyErr_NoMemory();
    }
    return made;
}

PyDoc_STRVAR(below_order_doc,
    "below_order(scalars) -> bool\n\n"
    "Whether all of several scalars, 32 bytes each and big-endian, are below the order. For public\n"
    "data. Raises ValueError unless they are whole.");

static PyObject *below_order(PyObject *module, PyObject *args)
{
    const unsigned char *bytes;
    Py_ssize_t size;
    (void)module;
    if (!PyArg_ParseTuple(args, "y#:below_order", &bytes, &size))
        return NULL;
    if (!fits(size, (size_t)size / SCALAR_BYTES, SCALAR_BYTES, "the scalars"))
        return NULL;
    for (Py_ssize_t at = 0; at < size; at += SCALAR_BYTES) {
        scalar_t given, reduced;
        scalar_load_big(&given, bytes + at);
        reduced = given;
        scalar_normalise(&reduced);
        if (given.limb[0] != reduced.limb[0])
            Py_RETURN_FALSE; /* they differ by q or not at all, and q is odd */
    }
    Py_RETURN_TRUE;
}

static PyMethodDef program_methods[] = {
    {"evaluate", program_evaluate, METH_VARARGS, evaluate_doc},
    {"field_parts", program_field_parts, METH_VARARGS, field_parts_doc},
    {"scalars", program_scalars, METH_VARARGS, scalars_doc},
    {"coefficients", program_coefficients, METH_VARARGS, coefficients_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(program_doc,
    "Program(words)\n\n"
    "A circuit as zk/program.py translates it: 64-bit little-endian words. Immutable; any number of\n"
    "threads may use it. Raises ValueError for words that are no program.");

static PyType_Slot program_slots[] = {
    {Py_tp_new, program_new},
    {Py_tp_dealloc, program_dealloc},
    {Py_tp_methods, program_methods},
    {Py_tp_doc, (void *)program_doc},
    {0, NULL},
};

static PyType_Spec program_spec = {
    .name = "zk._evaluate.Program",
    .basicsize = sizeof(program_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = program_slots,
};

static PyMethodDef module_methods[] = {
    {"below_order", below_order, METH_VARARGS, below_order_doc},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &program_spec, NULL);
    if (type == NULL)
        return -1;
    int failed = PyModule_AddObjectRef(module, "Program", type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "zk._evaluate",
    .m_doc = "The field part of the protocol modulo the order of secp256k1, compiled.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__evaluate(void)
{
    return PyModuleDef_Init(&module_def);
}
