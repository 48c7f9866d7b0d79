// Shows the numbers under the pointer. Everything is drawn without this script already.
(() => {
  'use strict';
  const tip = document.getElementById('tip');
  const numbers = text => text.split(',').map(Number);
  const short = value => {
    const size = Math.abs(value);
    if (size === 0) return '0';
    if (size >= 1e5) return Math.round(value).toLocaleString('en');
    return size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(5)));
  };

  function show(event, text) {
    tip.textContent = text;
    tip.hidden = false;
    const right = event.clientX + 16 + tip.offsetWidth > innerWidth;
    tip.style.left = `${right ? event.clientX - 16 - tip.offsetWidth : event.clientX + 16}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 12, innerHeight - tip.offsetHeight - 4))}px`;
  }

  // The pointer in the units of an svg element.
  function at(svg, event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [point.x, point.y];
  }

  function element(svg, name, attributes) {
    const made = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    svg.append(made);
    return made;
  }

  // The point of a curve that is nearest in x; the points are in the order of x.
  function nearest(points, x) {
    let [low, high] = [0, points.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle][0] < x) low = middle + 1; else high = middle;
    }
    const before = points[Math.max(0, low - 1)];
    return x - before[0] < points[low][0] - x ? before : points[low];
  }

  for (const svg of document.querySelectorAll('svg.chart')) {
    const [left, top, right, bottom] = numbers(svg.dataset.plot);
    const [[x0, x1], [y0, y1]] = [numbers(svg.dataset.x), numbers(svg.dataset.y)];
    const share = (low, high, value) => svg.dataset.scale === 'log' ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    const placeX = step => left + (step - x0) / (x1 - x0) * (right - left);
    const placeY = value => bottom - Math.min(1, Math.max(0, share(y0, y1, value))) * (bottom - top);
    const curves = [...svg.querySelectorAll('[data-points]')].map(curve => ({ name: curve.dataset.name, points: JSON.parse(curve.dataset.points) }));
    const cursor = element(svg, 'path', { class: 'cursor', visibility: 'hidden' });
    const spots = curves.map(() => element(svg, 'circle', { class: 'spot', r: 4, visibility: 'hidden' }));
    const hide = () => {
      tip.hidden = true;
      for (const mark of [cursor, ...spots]) mark.setAttribute('visibility', 'hidden');
    };
    svg.addEventListener('pointerleave', hide);
    svg.addEventListener('pointermove', event => {
      const [x, y] = at(svg, event);
      if (x < left - 5 || x > right + 5 || y < top - 5 || y > bottom + 5) return hide();
      const step = x0 + (x - left) / (right - left) * (x1 - x0);
      const found = curves.map(curve => nearest(curve.points, step));
      // All curves speak of about the same step: that of the point nearest to the pointer.
      const here = found.reduce((best, point) => Math.abs(point[0] - step) < Math.abs(best[0] - step) ? point : best)[0];
      cursor.setAttribute('d', `M${placeX(here)} ${top}V${bottom}`);
      cursor.setAttribute('visibility', 'visible');
      const lines = [`step ${here.toLocaleString('en')}`];
      curves.forEach((curve, index) => {
        const [step, value] = nearest(curve.points, here);
        spots[index].setAttribute('cx', placeX(step));
        spots[index].setAttribute('cy', placeY(value));
        spots[index].setAttribute('visibility', 'visible');
        lines.push(`${curve.name}: ${short(value)}${step === here ? '' : ` (step ${step.toLocaleString('en')})`}`);
      });
      show(event, lines.join('\n'));
    });
  }

  for (const svg of document.querySelectorAll('svg.field')) {
    const [left, top, right, bottom] = numbers(svg.dataset.field);
    const { rows, columns, values } = JSON.parse(svg.dataset.values);
    svg.addEventListener('pointerleave', () => { tip.hidden = true; });
    svg.addEventListener('pointermove', event => {
      const [x, y] = at(svg, event);
      const row = Math.floor((y - top) / (bottom - top) * rows.length);
      const column = Math.floor((x - left) / (right - left) * columns.length);
      const value = values[row]?.[column];
      if (value === undefined) { tip.hidden = true; return; }
      show(event, `${rows[row]}\n${columns[column]}\n${value === null ? 'none' : short(value)}`);
    });
  }
})();
