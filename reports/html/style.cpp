// The inline style and script. Colours are variables with a value for each theme; --s0 .. --s7 are the series
// of plots, told apart by shape and dashes too.
#include "reports/html/page.hpp"

namespace assay::host::html {

std::string_view style() {
  return R"(
:root {
  color-scheme: light dark;
  --bg: #ffffff; --panel: #f4f5f7; --ink: #1a1d21; --soft: #545b66; --rule: #8a919c; --line: #d5d9df;
  --link: #0b57a4; --bad: #b3261e; --good: #1b6e3c; --warn-bg: #fff4d6;
  --s0: #0b66b8; --s1: #b3470b; --s2: #1b7a4b; --s3: #8a3fa0; --s4: #8a6a00; --s5: #b4235f; --s6: #3c6f7d; --s7: #5b5f66;
  --heat-lo: #f2f6fb; --heat-mid: #3f79ad; --heat-hi: #06325e; --on-lo: #000000; --on-hi: #ffffff; --band: #0b66b8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #14171b; --panel: #1e2228; --ink: #e7eaee; --soft: #a9b1bd; --rule: #7b8592; --line: #383f48;
    --link: #8ec3ff; --bad: #ff9a91; --good: #7fd6a0; --warn-bg: #3a2f10;
    --s0: #6db3f2; --s1: #f29a5c; --s2: #62c893; --s3: #cf97e0; --s4: #d9b84a; --s5: #f286b0; --s6: #86c2d1; --s7: #b0b5bd;
    --heat-lo: #1c232c; --heat-mid: #3f79ad; --heat-hi: #b9dcff; --on-lo: #ffffff; --on-hi: #000000; --band: #6db3f2;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 88rem; margin: 0 auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1.2rem 0 .6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2rem 0 .6rem; overflow-wrap: anywhere; }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .4rem; overflow-wrap: anywhere; }
p, li, dd, h4 { overflow-wrap: anywhere; }
a { color: var(--link); }
nav h2 { font-size: 1rem; margin: 1rem 0 .2rem; }
nav ul { margin: 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }
nav a { display: inline-block; padding: .25rem 0; }
footer { color: var(--soft); border-top: 1px solid var(--line); margin-top: 3rem; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--panel); padding: .5rem 1rem; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.soft { color: var(--soft); }
.bad { color: var(--bad); }
.good { color: var(--good); }
.warnings { background: var(--warn-bg); border-left: 4px solid var(--bad); padding: .4rem 1rem; }
.warnings ul { margin: .2rem 0; padding-left: 1.2rem; }
.summary { background: var(--panel); border-left: 4px solid var(--rule); padding: .4rem 1rem; margin: .6rem 0 1rem; }
.summary.worse { border-color: var(--bad); }
.summary.fine { border-color: var(--good); }
.summary.apart { background: var(--warn-bg); border-color: var(--bad); }
.summary p { margin: .3rem 0; }
.summary > p { font-size: 1.1rem; }
.summary ul { margin: .3rem 0; padding-left: 1.2rem; }
.sides { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 1rem; }
.facts { display: grid; grid-template-columns: minmax(8rem, 12rem) 1fr; gap: .2rem 1rem; margin: .6rem 0; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin: .6rem 0; max-width: 100%; }
table { border-collapse: separate; border-spacing: 0; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding: .2rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--rule); vertical-align: bottom; }
tbody th { font-weight: 500; }
.n { text-align: right; white-space: nowrap; }
.scroll > table { width: max-content; }
td { max-width: 20rem; overflow-wrap: break-word; }
th[scope="row"] { max-width: 20rem; overflow-wrap: break-word; }
tr.blind th, tr.blind td { color: var(--soft); font-style: italic; }
th button { font: inherit; font-weight: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-align: inherit; text-decoration: underline dotted; }
th[aria-sort="ascending"] button::after { content: " \2191"; }
th[aria-sort="descending"] button::after { content: " \2193"; }
.filter { display: flex; flex-wrap: wrap; gap: .3rem .8rem; align-items: center; color: var(--soft); font-size: .9rem; }
.filter input { font: inherit; color: var(--ink); background: var(--bg); border: 1px solid var(--rule); border-radius: 4px; padding: .25rem .5rem; min-width: 12rem; max-width: 100%; }
details { margin: .5rem 0; }
summary { cursor: pointer; padding: .25rem 0; overflow-wrap: anywhere; }
details > :not(summary) { margin-left: 1rem; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 4px; padding: .5rem .7rem; margin: .2rem 0 .6rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; unicode-bidi: isolate; }
.item { border-left: 3px solid var(--line); padding-left: .8rem; margin: .8rem 0; }
.label { color: var(--soft); font-size: .85rem; margin: .2rem 0 0; }
figure { margin: 1rem 0; }
section > figure { display: inline-block; vertical-align: top; margin-right: 1.5rem; max-width: 100%; }
figcaption { font-weight: 600; margin-bottom: .3rem; overflow-wrap: anywhere; }
.plots { display: flex; flex-wrap: wrap; gap: 0 1.5rem; align-items: flex-start; }
.plots > figure { flex: 1 1 20rem; min-width: 0; max-width: 36rem; }
.plots > div { flex: 1 1 17rem; min-width: 0; max-width: 24rem; }
.plot { overflow-x: auto; }
svg { display: block; max-width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg.wide { max-width: none; }
svg text { fill: var(--ink); }
svg .name { paint-order: stroke; stroke: var(--bg); stroke-width: 4px; stroke-linejoin: round; }
svg .soft { fill: var(--soft); }
svg .grid { stroke: var(--line); }
svg .axis { stroke: var(--rule); }
svg .guide { stroke: var(--rule); stroke-dasharray: 4 4; }
svg .band { fill: var(--band); opacity: .18; }
svg .bar { fill: var(--rule); opacity: .35; }
svg .bad { stroke: var(--bad); fill: none; stroke-width: 2.5; }
svg .good { stroke: var(--good); fill: none; stroke-width: 2.5; }
svg .whisker { stroke-width: 2; }
svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .hollow { fill: var(--bg); stroke-width: 2; }
svg .none { fill: none; stroke: var(--rule); stroke-dasharray: 2 3; }
.t0 { stroke: var(--s0); } .t1 { stroke: var(--s1); } .t2 { stroke: var(--s2); } .t3 { stroke: var(--s3); }
.t4 { stroke: var(--s4); } .t5 { stroke: var(--s5); } .t6 { stroke: var(--s6); } .t7 { stroke: var(--s7); }
.f0 { fill: var(--s0); } .f1 { fill: var(--s1); } .f2 { fill: var(--s2); } .f3 { fill: var(--s3); }
.f4 { fill: var(--s4); } .f5 { fill: var(--s5); } .f6 { fill: var(--s6); } .f7 { fill: var(--s7); }
.legend { list-style: none; margin: .3rem 0; padding: 0; font-size: .85rem; }
.legend li { display: flex; gap: .5rem; align-items: center; }
.legend svg { flex: none; }
@media (max-width: 40rem) {
  body { font-size: 15px; }
  .facts, .sides { grid-template-columns: minmax(0, 1fr); gap: 0; }
  th[scope="row"] { max-width: 9rem; overflow-wrap: anywhere; position: sticky; left: 0; background: var(--bg); }
  .facts dd { margin-bottom: .4rem; }
  details > :not(summary) { margin-left: .3rem; }
  .plots > figure { flex-basis: 100%; }
  section > figure { display: block; margin-right: 0; }
}
@media print {
  :root {
    color-scheme: light;
    --bg: #ffffff; --panel: #f4f5f7; --ink: #1a1d21; --soft: #545b66; --rule: #8a919c; --line: #d5d9df;
    --link: #0b57a4; --bad: #b3261e; --good: #1b6e3c; --warn-bg: #fff4d6;
    --s0: #0b66b8; --s1: #b3470b; --s2: #1b7a4b; --s3: #8a3fa0; --s4: #8a6a00; --s5: #b4235f; --s6: #3c6f7d; --s7: #5b5f66;
    --heat-lo: #f2f6fb; --heat-mid: #3f79ad; --heat-hi: #06325e; --on-lo: #000000; --on-hi: #ffffff; --band: #0b66b8;
  }
  body { font-size: 10pt; }
  @page { size: landscape; margin: 12mm; }
  .scroll > table { width: auto; font-size: 7pt; }
  .scroll th, .scroll td { padding-right: .4rem; }
  .skip, .filter, nav { display: none; }
  .scroll, .plot { overflow: visible; }
  figure, tr { break-inside: avoid; }
  h2, h3, figcaption { break-after: avoid; }
  thead { display: table-header-group; }
  details::details-content { content-visibility: visible; display: block; }
}
)";
}

std::string_view script() {
  return R"(
(function () {
  'use strict';
  function key(row, index) {
    var cell = row.cells[index];
    return cell.hasAttribute('data-v') ? cell.getAttribute('data-v') : cell.textContent.trim();
  }
  function order(a, b) {
    var x = Number(a), y = Number(b);
    var noX = a === '' || isNaN(x), noY = b === '' || isNaN(y);
    if (!noX) { if (!noY) { return Math.sign(x - y); } }
    if (noX !== noY) { return noX ? 1 : -1; }
    return a.localeCompare(b);
  }
  function missing(value) { return value === '' || value === 'n/a'; }
  function addSorting(table) {
    var body = table.tBodies[0];
    var heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, index) {
      var button = document.createElement('button');
      button.type = 'button';
      button.textContent = head.textContent;
      head.textContent = '';
      head.appendChild(button);
      button.addEventListener('click', function () {
        var down = head.getAttribute('aria-sort') === 'ascending';
        heads.forEach(function (other) { other.removeAttribute('aria-sort'); });
        head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        var rows = Array.from(body.rows);
        rows.sort(function (p, q) {
          var a = key(p, index), b = key(q, index);
          if (missing(a) !== missing(b)) { return missing(a) ? 1 : -1; }
          return down ? order(b, a) : order(a, b);
        });
        rows.forEach(function (row) { body.appendChild(row); });
      });
    });
  }
  function addFilter(table) {
    var rows = Array.from(table.tBodies[0].rows);
    if (6 > rows.length) { return; }
    var box = document.createElement('div');
    box.className = 'filter';
    var label = document.createElement('label');
    label.textContent = 'Filter rows ';
    var input = document.createElement('input');
    input.type = 'search';
    label.appendChild(input);
    var said = document.createElement('span');
    said.setAttribute('role', 'status');
    box.appendChild(label);
    box.appendChild(said);
    table.parentElement.before(box);
    input.addEventListener('input', function () {
      var wanted = input.value.toLowerCase(), shown = 0;
      rows.forEach(function (row) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        if (!row.hidden) { shown += 1; }
      });
      said.textContent = wanted === '' ? '' : shown + ' of ' + rows.length + ' rows';
    });
  }
  document.querySelectorAll('table.sortable').forEach(function (table) {
    addSorting(table);
    addFilter(table);
  });
  window.addEventListener('beforeprint', function () {
    document.querySelectorAll('details').forEach(function (one) { one.open = true; });
  });
}());
)";
}

}  // namespace assay::host::html
